"""counterpoise: RL with verifiable rewards in which positive and negative reinforcement are held apart.

Importing the package is cheap and imports no torch.
"""

from counterpoise.types import (
    Counts,
    Credit,
    LossOutput,
    Problem,
    Prompt,
    Reward,
    Rollout,
    Sampler,
    SamplingSettings,
    StopReason,
    Sum,
    Verdict,
    VerdictValue,
    Verifier,
)

__version__ = "0.1.0"

__all__ = [
    "Counts",
    "Credit",
    "LossOutput",
    "Problem",
    "Prompt",
    "Reward",
    "Rollout",
    "Sampler",
    "SamplingSettings",
    "StopReason",
    "Sum",
    "Verdict",
    "VerdictValue",
    "Verifier",
    "__version__",
]

"""The nouns that cross a stage: problem, prompt, rollout, verdict, reward, credit, loss output.

One noun, one meaning. Records are frozen; shapes are in the field's docstring, with G the group size, N the number of
rollouts of a batch, P prompt tokens, T response tokens. Importing this module does not import torch.
"""

from counterpoise.types.learning import Batch, Counts, Credit, Divide, Loss, LossOutput, Sum
from counterpoise.types.rollouts import (
    MESSAGES,
    OnRollouts,
    Problem,
    Prompt,
    Rollout,
    Sampler,
    SamplingSettings,
    StopReason,
    TellingSampler,
)
from counterpoise.types.verdicts import (
    TRUNCATED,
    Basis,
    Extraction,
    Judgement,
    Judging,
    Reward,
    Verdict,
    VerdictValue,
    Verifier,
    Verify,
)

__all__ = [
    "MESSAGES",
    "TRUNCATED",
    "Basis",
    "Batch",
    "Counts",
    "Credit",
    "Divide",
    "Extraction",
    "Judgement",
    "Judging",
    "Loss",
    "LossOutput",
    "OnRollouts",
    "Problem",
    "Prompt",
    "Reward",
    "Rollout",
    "Sampler",
    "SamplingSettings",
    "StopReason",
    "Sum",
    "TellingSampler",
    "Verdict",
    "VerdictValue",
    "Verifier",
    "Verify",
]

"""counterpoise: RL with verifiable rewards in which positive and negative reinforcement are held apart.

Importing the package is cheap and imports no torch; `train`, `evaluate` and `compare` are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from counterpoise.api import compare, evaluate, train

__version__ = "0.1.0"

_LAZY = ("compare", "evaluate", "train")

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
    "compare",
    "evaluate",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module("counterpoise.api"), name)
    raise AttributeError(f"module 'counterpoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

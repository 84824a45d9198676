"""The paper's reward: right is +1, wrong is -1."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.settings import settings
from counterpoise.types import Reward, Verdict

__all__ = ["Binary", "binary"]


def binary(verdict: Verdict) -> Reward:
    """`r = +1` if correct, `-1` if wrong or without an answer, NaN if unscored (arXiv 2506.01347, section 2).

    The verdict's graded parts travel along untouched.
    """
    value = float("nan") if not verdict.scored else 1.0 if verdict.correct else -1.0
    return Reward(value=value, low=-1.0, high=1.0, parts=verdict.parts)


@settings("reward binary")
class Binary:
    """`binary` as a registry entry; it has no settings."""

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, verdict: Verdict) -> Reward:
        """`binary(verdict)`."""
        return binary(verdict)

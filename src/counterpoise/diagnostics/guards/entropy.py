"""Entropy that runs away: the policy forgets what to write, which negatives alone can do to it."""

from __future__ import annotations

from counterpoise.columns import column
from counterpoise.diagnostics.guards.beginning import AgainstBeginning
from counterpoise.ranges import AboveOne, PartialShare, Positive
from counterpoise.settings import settings

__all__ = ["Entropy"]

_COLUMN = column("entropy_sampled")


@settings("guards entropy", frozen=False)
class Entropy(AgainstBeginning):
    """Fires when `entropy_sampled` has been above `factor` H_0 for `patience` steps running, until it is below (1 + factor) / 2 H_0.

    H_0 is the mean of the first five steps.
    """

    factor: AboveOne = 2.0
    """Times H_0, > 1."""
    patience: Positive = 3
    """Steps running, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        super().__init__("entropy", _COLUMN, patience=self.patience, share=self.share)

    def _judge(self, value: float, start: float) -> tuple[bool, bool, str]:
        said = f"{value:.3g} {_COLUMN.unit}, the run began with {start:.3g} (limit: {self.factor:g} times that)"
        return value > self.factor * start, value < 0.5 * (1.0 + self.factor) * start, said

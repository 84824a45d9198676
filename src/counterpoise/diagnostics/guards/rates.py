"""Shares that grow when a policy forgets how to end: responses cut off, and text that repeats itself."""

from __future__ import annotations

from counterpoise.columns import Column, column
from counterpoise.diagnostics.guards.beginning import AgainstBeginning
from counterpoise.ranges import Inside, PartialShare, Positive
from counterpoise.settings import settings

__all__ = ["Rate", "Repetition", "Truncation"]


class Rate(AgainstBeginning):
    """Fires when a share has been more than `rise` above its beginning for `patience` steps running, until it is within half of that."""

    def __init__(self, guard: str, column: Column, *, rise: float, patience: int, share: float) -> None:
        super().__init__(guard, column, patience=patience, share=share)
        self._rise = rise

    def _judge(self, value: float, start: float) -> tuple[bool, bool, str]:
        said = f"{value:.1%}, the run began with {start:.1%} (limit: {self._rise:.1%} more)"
        return value - start > self._rise, value - start < 0.5 * self._rise, said


@settings("guards truncation", frozen=False)
class Truncation(Rate):
    """The share of responses that hit `rollout.max_tokens`; see `Rate`."""

    rise: Inside = 0.3
    """Above the beginning, in (0, 1)."""
    patience: Positive = 3
    """Steps running, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        super().__init__(
            "truncation", column("truncated_share"), rise=self.rise, patience=self.patience, share=self.share
        )


@settings("guards repetition", frozen=False)
class Repetition(Rate):
    """The share of 4-grams of tokens that stood earlier in the same response; see `Rate`."""

    rise: Inside = 0.2
    """Above the beginning, in (0, 1)."""
    patience: Positive = 3
    """Steps running, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        super().__init__("repetition", column("repetition"), rise=self.rise, patience=self.patience, share=self.share)

"""Shares that grow when a policy forgets how to end: responses cut off, and text that repeats itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, Switch, restore
from counterpoise.ranges import Inside, PartialShare, Positive
from counterpoise.settings import settings

__all__ = ["Rate", "Repetition", "Truncation"]


class Rate:
    """Fires when a share has been more than `rise` above its beginning for `patience` steps running, until it is within half of that.

    The beginning is the mean of the first five steps.
    """

    def __init__(self, name: str, column: str, *, rise: float, patience: int, share: float) -> None:
        self._name, self._column, self._rise, self._relief = name, column, rise, Relief(share=share)
        self._start, self._switch = Start(), Switch(patience)
        self._last = math.nan

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = record.get(self._column, math.nan)
        if not math.isnan(value) and self._start.known(value):
            self._last, rise = value, value - self._start.mean
            self._switch.move(beyond=rise > self._rise, back=rise < 0.5 * self._rise)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"{self._column} is {self._last:.1%}, the run began with {self._start.mean:.1%} (limit: {self._rise:.1%} more)",
            seen={self._column: self._last, "start": self._start.mean},
            excess=self._last,
            relief=self._relief,
        )

    @property
    def calm(self) -> bool:
        """See `Guard`."""
        return self._switch.calm

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        return {
            "first": list(self._start.first),
            "switch": self._switch.state(),
            "last": self._last,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        first, switch, self._last = restore(self._name, state, ("first", "switch", "last"))
        self._start.first = list(first)
        self._switch.load(switch)


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
        super().__init__("truncation", "truncated_share", rise=self.rise, patience=self.patience, share=self.share)


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
        super().__init__("repetition", "repetition", rise=self.rise, patience=self.patience, share=self.share)

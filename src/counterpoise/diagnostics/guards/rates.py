"""Shares that grow when a policy forgets how to end: responses cut off, and text that repeats itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, Switch, restore
from counterpoise.settings import check_number

__all__ = ["Rate", "repetition", "truncation"]


class Rate:
    """Fires when a share has been more than `rise` above its beginning for `patience` steps running, until it is within half of that.

    The beginning is the mean of the first five steps.
    """

    def __init__(self, name: str, column: str, *, rise: float, patience: int, share: float) -> None:
        """Check the settings: see `truncation`.

        Raises:
            ConfigError: a setting is out of range.
        """
        where = f"guards {name}"
        check_number(where, "rise", rise, low=0.0, high=1.0, exclusive=True)
        check_number(where, "patience", patience, low=1, integer=True)
        check_number(where, "share", share, low=0.0, high=0.99)
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


def truncation(*, rise: float = 0.3, patience: int = 3, share: float = 0.5) -> Rate:
    """The share of responses that hit `rollout.max_tokens`.

    Args:
        rise: above the beginning, in (0, 1).
        patience: steps running, >= 1.
        share: least positive share it asks for, in [0, 0.99].

    Raises:
        ConfigError: a setting is out of range.
    """
    return Rate("truncation", "truncated_share", rise=rise, patience=patience, share=share)


def repetition(*, rise: float = 0.2, patience: int = 3, share: float = 0.5) -> Rate:
    """The share of 4-grams of tokens that stood earlier in the same response; settings as for `truncation`.

    Raises:
        ConfigError: a setting is out of range.
    """
    return Rate("repetition", "repetition", rise=rise, patience=patience, share=share)

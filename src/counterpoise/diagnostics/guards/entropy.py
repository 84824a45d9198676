"""Entropy that runs away: the policy forgets what to write, which negatives alone can do to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, Switch, restore
from counterpoise.settings import check_number

__all__ = ["Entropy"]


class Entropy:
    """Fires when `entropy_sampled` has been above `factor` H_0 for `patience` steps running, until it is below (1 + factor) / 2 H_0.

    H_0 is the mean of the first five steps.
    """

    def __init__(self, *, factor: float = 2.0, patience: int = 3, share: float = 0.5) -> None:
        """Check the settings.

        Args:
            factor: times H_0, > 1.
            patience: steps running, >= 1.
            share: least positive share it asks for, in [0, 0.99].

        Raises:
            ConfigError: a setting is out of range.
        """
        where = "guards entropy"
        check_number(where, "factor", factor, low=1.0, exclusive=True)
        check_number(where, "patience", patience, low=1, integer=True)
        check_number(where, "share", share, low=0.0, high=0.99)
        self._factor, self._relief = factor, Relief(share=share)
        self._start, self._switch = Start(), Switch(patience)
        self._last = math.nan

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = record.get("entropy_sampled", math.nan)
        if not math.isnan(value) and self._start.known(value):
            self._last, base = value, self._start.mean
            self._switch.move(beyond=value > self._factor * base, back=value < 0.5 * (1.0 + self._factor) * base)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"entropy_sampled is {self._last:.3g} nats, the run began with {self._start.mean:.3g} "
            f"(limit: {self._factor:g} times that)",
            seen={"entropy_sampled": self._last, "start": self._start.mean},
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
        first, switch, self._last = restore("entropy", state, ("first", "switch", "last"))
        self._start.first = list(first)
        self._switch.load(switch)

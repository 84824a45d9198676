"""Entropy that runs away: the policy forgets what to write, which negatives alone can do to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, Switch, restore
from counterpoise.ranges import AboveOne, PartialShare, Positive
from counterpoise.settings import settings

__all__ = ["Entropy"]


@settings("guards entropy", frozen=False)
class Entropy:
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
        self._start, self._switch = Start(), Switch(self.patience)
        self._last = math.nan

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = record.get("entropy_sampled", math.nan)
        if not math.isnan(value) and self._start.known(value):
            self._last, base = value, self._start.mean
            self._switch.move(beyond=value > self.factor * base, back=value < 0.5 * (1.0 + self.factor) * base)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"entropy_sampled is {self._last:.3g} nats, the run began with {self._start.mean:.3g} "
            f"(limit: {self.factor:g} times that)",
            seen={"entropy_sampled": self._last, "start": self._start.mean},
            excess=self._last,
            relief=Relief(share=self.share),
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

"""Negatives whose gradient drowns the positives'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from counterpoise.columns import columns
from counterpoise.diagnostics.guards.base import Alarm, Relief, Switch, Switched
from counterpoise.ranges import AboveOne, Positive
from counterpoise.settings import settings

__all__ = ["Gradients"]

_COLUMNS = columns("gradient_norm_plus gradient_norm_minus")
_LEAST = 0.05


@settings("guards gradients", frozen=False)
class Gradients(Switched):
    """Fires when the norm of the negatives' gradient is more than `ratio` times the positives', until it is below half of that.

    It asks for the negative weight that brings the ratio back to the limit, and never for less than 0.05. Measured every
    `diagnostics.every` steps; a rule without positives has no ratio.
    """

    guard: ClassVar[str] = "gradients"
    past: ClassVar[tuple[str, ...]] = ("last",)

    ratio: AboveOne = 20.0
    """Limit, > 1."""
    patience: Positive = 2
    """Measurements running, >= 1."""

    def __post_init__(self) -> None:
        self._switch, self._last = Switch(self.patience), math.nan

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        plus, minus = (column.of(record) for column in _COLUMNS)
        if plus > 0.0 and not math.isnan(minus):
            self._last = minus / plus
            self._switch.move(beyond=self._last > self.ratio, back=self._last < 0.5 * self.ratio)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"the negatives' gradient is {self._last:.3g} times as long as the positives' (limit: {self.ratio:g})",
            seen={"ratio": self._last},
            excess=self._last,
            relief=Relief(minus=min(1.0, max(_LEAST, self.ratio / self._last))),
        )

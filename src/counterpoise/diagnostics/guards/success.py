"""Success that has gone: what every collapse ends in, whatever its cause."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from counterpoise.columns import column
from counterpoise.diagnostics.guards.base import Alarm, Relief, Switch, Switched
from counterpoise.ranges import Inside, PartialShare, Positive, Smoothing
from counterpoise.settings import settings

__all__ = ["Success"]

_COLUMN = column("success_rate")


@settings("guards success", frozen=False)
class Success(Switched):
    """Fires when the smoothed `success_rate` has been below 1 - drop of its best for `patience` steps running.

    It ends above 1 - drop / 2 of the best.
    The average counts from its tenth step on: the best of a few noisy ones would be luck that is never matched again.
    """

    guard: ClassVar[str] = "success"
    past: ClassVar[tuple[str, ...]] = ("average", "best", "steps")

    drop: Inside = 0.3
    """Share of the best that is lost, in (0, 1)."""
    smoothing: Smoothing = 0.9
    """Share of the old average that a step keeps, in [0, 0.999]."""
    patience: Positive = 3
    """Steps running, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        self._switch = Switch(self.patience)
        self._average, self._best, self._steps = 0.0, 0.0, 0

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = _COLUMN.of(record)
        if not math.isnan(value):
            self._steps += 1
            # A plain mean at first, so that the first step does not weigh for twenty.
            keep = min(self.smoothing, 1.0 - 1.0 / self._steps)
            self._average = keep * self._average + (1.0 - keep) * value
            if self._steps >= 10:
                self._best = max(self._best, self._average)
                kept = self._average / self._best if self._best else 1.0
                self._switch.move(beyond=kept < 1.0 - self.drop, back=kept > 1.0 - 0.5 * self.drop)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"{_COLUMN.name} is {self._average:.1%} (smoothed), it was {self._best:.1%} (limit: {self.drop:.0%} of that lost)",
            seen={_COLUMN.name: self._average, "best": self._best},
            excess=-self._average,
            relief=Relief(share=self.share),
        )

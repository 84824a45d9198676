"""Right answers that become less likely step after step: negatives drag down what they share words with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.columns import column
from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, restore
from counterpoise.ranges import NonNegative, PartialShare, Positive, Smoothing
from counterpoise.settings import settings
from counterpoise.text import counted

__all__ = ["Likelihood"]

_COLUMN = column("entropy_sampled_correct")
_STATE = ("first", "average", "bottom", "rising", "falling", "on")


@settings("guards likelihood", frozen=False)
class Likelihood:
    """Fires when the log-probability per token of correct responses has fallen for `steps` steps running and by more than `fall` in all.

    It is read off `entropy_sampled_correct`, the mean of -log p over the sampled tokens of correct responses, smoothed: single
    steps answer different problems. `fall` is a share of its beginning, the mean of the first five steps, so that noise alone does not
    fire it. Ends after three steps running in which it did not fall.
    """

    steps: Positive = 10
    """Steps running, >= 1."""
    fall: NonNegative = 0.25
    """In all, as a share of the beginning, >= 0."""
    smoothing: Smoothing = 0.8
    """Share of the old average that a step keeps, in [0, 0.999]."""
    share: PartialShare = 0.3
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        self._start = Start()
        self._average = self._bottom = math.nan
        self._rising = self._falling = 0
        self._on = False

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = _COLUMN.of(record)
        if not math.isnan(value) and self._start.known(value):
            self._move(value)
        if not self._on:
            return None
        return Alarm(
            message=f"the log-probability of correct responses fell for {counted(self._rising, 'step')} running, "
            f"from {-self._bottom:.3g} to {-self._average:.3g} nats a token (limit: {self.steps} steps and {self.fall:.0%} of the "
            f"{-self._start.mean:.3g} of the beginning)",
            seen={"log_prob_correct": -self._average, "from": -self._bottom, "start": -self._start.mean},
            excess=self._average,
            relief=Relief(share=self.share),
        )

    def _move(self, value: float) -> None:
        old = self._start.mean if math.isnan(self._average) else self._average
        self._average = self.smoothing * old + (1.0 - self.smoothing) * value
        if self._average > old:
            if not self._rising:
                self._bottom = old
            self._rising, self._falling = self._rising + 1, 0
        else:
            self._falling += 1
            # While it fires, the numbers of the fall that fired it stay to be told.
            self._rising = self._rising if self._on and self._falling < 3 else 0
        risen = self._average - self._bottom if self._rising else 0.0
        enough = self._rising >= self.steps and risen > self.fall * self._start.mean
        self._on = self._falling < 3 if self._on else enough

    @property
    def calm(self) -> bool:
        """See `Guard`; here, that less than half of the steps have passed."""
        return not self._on and 2 * self._rising < self.steps

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        values = (list(self._start.first), self._average, self._bottom, self._rising, self._falling, self._on)
        return dict(zip(_STATE, values, strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        first, self._average, self._bottom, self._rising, self._falling, self._on = restore("likelihood", state, _STATE)
        self._start.first = list(first)

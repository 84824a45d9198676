"""Success that never came: a verifier and a model that do not fit each other, seen from the first steps on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from counterpoise.columns import column
from counterpoise.diagnostics.guards.base import Alarm, Relief, Switch, Switched
from counterpoise.ranges import PartialShare, Positive
from counterpoise.settings import settings
from counterpoise.text import counted

__all__ = ["NothingRight"]

_COLUMN = column("success_rate")


@settings("guards nothing_right", frozen=False)
class NothingRight(Switched):
    """Fires when `success_rate` has been 0 for `patience` steps running, from the first step on; one right response ends it.

    `success` cannot see this: it needs a best that was lost. Without a right response a positive share can be had only by leaving the
    negatives out, so the relief stands the policy still instead of pushing down all that it writes.
    """

    guard: ClassVar[str] = "nothing_right"
    past: ClassVar[tuple[str, ...]] = ("steps",)

    patience: Positive = 10
    """Steps running without a right response, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        self._switch, self._steps = Switch(self.patience), 0

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = _COLUMN.of(record)
        if not math.isnan(value):
            self._steps = 0 if value > 0.0 else self._steps + 1
            self._switch.move(beyond=value <= 0.0, back=value > 0.0)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"no response of the last {counted(self._steps, 'step')} was right; if none ever was, the prompt, "
            f"the verifier or the length "
            "limit do not fit the model (counterpoise advise)",
            seen={_COLUMN.name: 0.0, "steps": float(self._steps)},
            excess=0.0,
            relief=Relief(share=self.share),
        )

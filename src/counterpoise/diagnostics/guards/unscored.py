"""Responses that leave the statistics: a policy that learns to be unscored is rewarded as one that learns to be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.columns import columns
from counterpoise.diagnostics.guards.base import Alarm, restore
from counterpoise.diagnostics.guards.rates import Rate
from counterpoise.ranges import Inside, PartialShare, Positive
from counterpoise.settings import settings

__all__ = ["Unscored"]

_COLUMNS = columns("unscored_timeout unscored_crash unscored_memory unscored_other intractable_share")


@settings("guards unscored", frozen=False)
class Unscored:
    """Fires when the share of responses unscored for one kind of reason has risen by `rise` for `patience` steps running.

    Each kind of reason is held against its own beginning, the mean of the first five steps, and `intractable_share`, answers that were
    called wrong because they alone made the verifier hang or crash, is watched beside them. The alarm is that of the largest rise.
    """

    rise: Inside = 0.05
    """Above the beginning, in (0, 1)."""
    patience: Positive = 3
    """Steps running, >= 1."""
    share: PartialShare = 0.5
    """Least positive share it asks for, in [0, 0.99]."""

    def __post_init__(self) -> None:
        self._rates = {
            column.name: Rate("unscored", column, rise=self.rise, patience=self.patience, share=self.share)
            for column in _COLUMNS
        }

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        alarms = [alarm for rate in self._rates.values() if (alarm := rate.look(record)) is not None]
        return max(alarms, key=lambda alarm: alarm.excess) if alarms else None

    @property
    def calm(self) -> bool:
        """See `Guard`."""
        return all(rate.calm for rate in self._rates.values())

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        return {column: rate.state_dict() for column, rate in self._rates.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        for rate, own in zip(self._rates.values(), restore("unscored", state, tuple(self._rates)), strict=True):
            rate.load_state_dict(own)

"""Shared by guards that compare a column with its own first steps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from counterpoise.columns import Column
from counterpoise.diagnostics.guards.base import Alarm, Relief, Start, Switch, restore

__all__ = ["AgainstBeginning"]


class AgainstBeginning(ABC):
    """Fires when a column has been beyond a limit for `patience` steps running, until it is back within another.

    Both limits come from the beginning, the mean of the first five steps.
    """

    def __init__(self, guard: str, column: Column, *, patience: int, share: float) -> None:
        self._guard, self._column, self._relief = guard, column, Relief(share=share)
        self._start, self._switch = Start(), Switch(patience)
        self._last = math.nan

    @abstractmethod
    def _judge(self, value: float, start: float) -> tuple[bool, bool, str]:
        """Whether the value is past the limit that starts an alarm, whether it is within that which ends one, and the sentence about it."""

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        value = self._column.of(record)
        if not math.isnan(value) and self._start.known(value):
            self._last = value
            beyond, back, _ = self._judge(value, self._start.mean)
            self._switch.move(beyond=beyond, back=back)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"{self._column.name} is {self._judge(self._last, self._start.mean)[-1]}",
            seen={self._column.name: self._last, "start": self._start.mean},
            excess=self._last,
            relief=self._relief,
        )

    @property
    def calm(self) -> bool:
        """See `Guard`."""
        return self._switch.calm

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        return {"first": list(self._start.first), "switch": self._switch.state(), "last": self._last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        first, switch, self._last = restore(self._guard, state, ("first", "switch", "last"))
        self._start.first = list(first)
        self._switch.load(switch)

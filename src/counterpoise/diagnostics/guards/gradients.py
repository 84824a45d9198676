"""Negatives whose gradient drowns the positives'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.diagnostics.guards.base import Alarm, Relief, Switch, restore
from counterpoise.settings import check_number

__all__ = ["Gradients"]

_LEAST = 0.05


class Gradients:
    """Fires when the norm of the negatives' gradient is more than `ratio` times the positives', until it is below half of that.

    It asks for the negative weight that brings the ratio back to the limit, and never for less than 0.05. Measured every
    `diagnostics.every` steps; a rule without positives has no ratio.
    """

    def __init__(self, *, ratio: float = 20.0, patience: int = 2) -> None:
        """Check the settings.

        Args:
            ratio: limit, > 1.
            patience: measurements running, >= 1.

        Raises:
            ConfigError: a setting is out of range.
        """
        check_number("guards gradients", "ratio", ratio, low=1.0, exclusive=True)
        check_number("guards gradients", "patience", patience, low=1, integer=True)
        self._ratio, self._switch, self._last = ratio, Switch(patience), math.nan

    def look(self, record: Mapping[str, float]) -> Alarm | None:
        """See `Guard`."""
        plus, minus = (record.get(f"gradient_norm_{sign}", math.nan) for sign in ("plus", "minus"))
        if plus > 0.0 and not math.isnan(minus):
            self._last = minus / plus
            self._switch.move(beyond=self._last > self._ratio, back=self._last < 0.5 * self._ratio)
        if not self._switch.on:
            return None
        return Alarm(
            message=f"the negatives' gradient is {self._last:.3g} times as long as the positives' (limit: {self._ratio:g})",
            seen={"ratio": self._last},
            excess=self._last,
            relief=Relief(minus=min(1.0, max(_LEAST, self._ratio / self._last))),
        )

    @property
    def calm(self) -> bool:
        """See `Guard`."""
        return self._switch.calm

    def state_dict(self) -> dict[str, Any]:
        """See `Guard`."""
        return {"last": self._last, "switch": self._switch.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Guard`."""
        self._last, switch = restore("gradients", state, ("last", "switch"))
        self._switch.load(switch)

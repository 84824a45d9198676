"""Does entropy answer to the positive share with the sign that the feedback counts on?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.lazy import np

if TYPE_CHECKING:
    import numpy.typing as npt


__all__ = ["PlantSign"]

_KEEP = 0.98
_FEWEST = 10
"""Changes before anything is concluded."""
_SIGNIFICANT = 3.0
"""t-value; the loop looks every step, so the usual 2 would be passed by chance now and then."""
_FLAT = 1e-12
"""Variance below which a quantity counts as constant."""
_RHO, _LEVEL, _CHANGE = range(3)


class PlantSign:
    """Partial correlation of rho with the change of entropy that follows it, over a window of about twenty steps.

    A larger positive share should lower entropy. Entropy also drifts back towards wherever it is going, so the change is compared
    with rho at equal entropy: r = (r_rc - r_rh r_hc) / sqrt((1 - r_rh^2) (1 - r_hc^2)) for rho, entropy h before the change, and
    change c, all weighted by 0.98 to the power of their age. `reversed` when r is positive with a t-value above 3, after at least
    ten changes: then the loop would run away from its target and is better left open. A set point that stands still tells nothing.
    """

    def __init__(self) -> None:
        self._changes = 0
        self._weight = 0.0
        self._means: npt.NDArray[np.float64] = np.zeros(3)
        self._moments: npt.NDArray[np.float64] = np.zeros((3, 3))
        self._last: float | None = None

    def observe(self, *, rho: float, entropy_ratio: float) -> None:
        """Add the entropy of a step and the set point of the step before it, which it answers to; NaN means no measurement."""
        if math.isnan(entropy_ratio):
            return
        if self._last is not None:
            self._add(np.array([rho, self._last, entropy_ratio - self._last]))
        self._last = entropy_ratio

    def _add(self, seen: npt.NDArray[np.float64]) -> None:
        self._changes += 1
        self._weight = _KEEP * self._weight + 1.0
        from_old = seen - self._means
        self._means = self._means + from_old / self._weight
        # West's update of weighted moments: the deviation from the old mean times that from the new one
        self._moments = _KEEP * self._moments + np.outer(from_old, seen - self._means)

    @property
    def correlation(self) -> float:
        """In [-1, 1]; NaN where rho or the change did not vary."""
        variance = self._moments.diagonal() / max(self._weight, 1.0)
        if variance[_RHO] <= _FLAT or variance[_CHANGE] <= _FLAT:
            return math.nan

        def r(a: int, b: int) -> float:
            product = float(variance[a] * variance[b])
            return float(self._moments[a, b]) / self._weight / math.sqrt(product) if product > _FLAT**2 else 0.0

        by_level = (1.0 - r(_RHO, _LEVEL) ** 2) * (1.0 - r(_LEVEL, _CHANGE) ** 2)
        if by_level <= 1e-9:
            return math.nan
        return (r(_RHO, _CHANGE) - r(_RHO, _LEVEL) * r(_LEVEL, _CHANGE)) / math.sqrt(by_level)

    @property
    def reversed(self) -> bool:
        """True when entropy was seen to rise with rho."""
        r = self.correlation
        if self._changes < _FEWEST or not r > 0.0:  # not: NaN too
            return False
        return r * math.sqrt((self._weight - 3.0) / max(1.0 - r * r, 1e-12)) > _SIGNIFICANT

    def state_dict(self) -> dict[str, Any]:
        """The moments and the last observation."""
        return {
            "changes": self._changes,
            "weight": self._weight,
            "means": self._means.tolist(),
            "moments": self._moments.tolist(),
            "last": self._last,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from there."""
        self._changes = int(state["changes"])
        self._weight = float(state["weight"])
        self._means = np.array(state["means"], dtype=np.float64)
        self._moments = np.array(state["moments"], dtype=np.float64)
        self._last = None if state["last"] is None else float(state["last"])

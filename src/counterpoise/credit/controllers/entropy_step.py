"""The positive weight goes up by a fixed step where entropy is high, and down where it is low."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.entropy_anchor import EntropyAnchor
from counterpoise.credit.controllers.state import check_state
from counterpoise.ranges import AboveZero, NonNegative
from counterpoise.settings import check_number, settings
from counterpoise.types import Sum

__all__ = ["EntropyStep"]


@settings("credit.controller entropy_step", frozen=False)
class EntropyStep:
    """`lambda_plus += step * sign(H/H_0 - target)` outside the dead band, clipped to [low, high]; `lambda_minus = 1`.

    H is the step's token entropy over all task types, H_0 its mean over the first five steps. More positive weight makes the policy
    surer, so that entropy falls. Source: the fixed steps of 0.05 of EntropyRL; the same loop with proportional and integral parts is
    EntroPIC (arXiv 2511.15248).
    """

    reads_entropy: ClassVar[bool] = True

    start: float = 1.0
    """First `lambda_plus`, in [low, high]."""
    step: AboveZero = 0.05
    """Change of it in one training step, > 0."""
    target: AboveZero = 1.0
    """Entropy to hold, as a share of H_0, > 0."""
    dead_band: NonNegative = 0.1
    """Relative deviation from the target within which nothing changes, >= 0."""
    low: NonNegative = 0.0
    """Smallest `lambda_plus`, >= 0."""
    high: float = 2.0
    """Largest `lambda_plus`."""

    def __post_init__(self) -> None:
        where = "credit.controller entropy_step"
        check_number(where, "high", self.high, low=self.low)
        check_number(where, "start", self.start, low=self.low, high=self.high)
        self._plus = self.start
        self._anchor = EntropyAnchor()
        self._ratio = math.nan

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Compare the step's entropy with the target and move by one step at most."""
        entropy = sum((seen.entropy for seen in statistics.values()), Sum(total=0.0, count=0.0))
        self._ratio = 1.0 + self._anchor.deviation(entropy)
        error = self._ratio / self.target - 1.0
        if abs(error) > self.dead_band:  # false for NaN
            self._plus = min(self.high, max(self.low, self._plus + math.copysign(self.step, error)))
        return dict.fromkeys(statistics, Lambdas(plus=self._plus, minus=1.0))

    def report(self) -> Mapping[str, float]:
        """Entropy as a share of H_0, and H_0 in nats per token."""
        return {"entropy_ratio": self._ratio, "entropy_base": self._anchor.base}

    def state_dict(self) -> dict[str, Any]:
        """The weight and the first steps' entropies."""
        return {"plus": self._plus, "first": [list(pair) for pair in self._anchor.first]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from there.

        Raises:
            CheckpointError: the state belongs to another controller.
        """
        check_state("entropy_step", state, ("plus", "first"))
        self._plus = float(state["plus"])
        self._anchor.first = [(float(total), float(tokens)) for total, tokens in state["first"]]

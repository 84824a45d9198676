"""The negative weight falls as the policy gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.ranges import NonNegative, Smoothing
from counterpoise.settings import check_number, settings

__all__ = ["Accuracy"]


@settings("credit.controller accuracy", frozen=False)
class Accuracy:
    """`lambda_minus = low + (high - low) (1 - p)` for each task type, p its success rate, smoothed over steps.

    Source: A-NSR (arXiv 2605.07137), whose weight follows training time; accuracy takes its place here, so that every task type has
    its own pace. Where nothing was scored yet p counts as 0.
    """

    reads_entropy: ClassVar[bool] = False

    minus_low: NonNegative = 0.1
    """Negative weight where everything is right, >= 0."""
    minus_high: NonNegative = 1.0
    """Negative weight where everything is wrong, >= `minus_low`."""
    lambda_plus: NonNegative = 0.1
    """Positive weight, >= 0."""
    smoothing: Smoothing = 0.9
    """Share of the old average that a step keeps, in [0, 1); 0 takes each step as it is."""

    def __post_init__(self) -> None:
        check_number("credit.controller accuracy", "minus_high", self.minus_high, low=self.minus_low)
        self._rates: dict[str, float] = {}

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Average the step's success rates in, and weigh by them."""
        for kind, seen in statistics.items():
            if seen.scored:
                old = self._rates.get(kind, seen.success_rate)
                self._rates[kind] = self.smoothing * old + (1.0 - self.smoothing) * seen.success_rate
        return {kind: Lambdas(plus=self.lambda_plus, minus=self._minus(kind)) for kind in statistics}

    def _minus(self, kind: str) -> float:
        return self.minus_low + (self.minus_high - self.minus_low) * (1.0 - self._rates.get(kind, 0.0))

    def report(self) -> Mapping[str, float]:
        """Smoothed success rate of each task type."""
        return {f"success_rate/{kind}": rate for kind, rate in self._rates.items()} or {"success_rate": math.nan}

    def state_dict(self) -> dict[str, Any]:
        """The smoothed rates."""
        return {"rates": dict(self._rates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with those rates.

        Raises:
            CheckpointError: the state belongs to another controller.
        """
        check_state("accuracy", state, ("rates",))
        self._rates = dict(state["rates"])

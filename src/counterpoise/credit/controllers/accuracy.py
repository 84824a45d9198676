"""The negative weight falls as the policy gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.settings import check_number

__all__ = ["Accuracy"]


class Accuracy:
    """`lambda_minus = low + (high - low) (1 - p)` for each task type, p its success rate, smoothed over steps.

    Source: A-NSR (arXiv 2605.07137), whose weight follows training time; accuracy takes its place here, so that every task type has
    its own pace. Where nothing was scored yet p counts as 0.
    """

    def __init__(
        self, *, minus_low: float = 0.1, minus_high: float = 1.0, lambda_plus: float = 0.1, smoothing: float = 0.9
    ) -> None:
        """Check the settings.

        Args:
            minus_low: negative weight where everything is right, >= 0.
            minus_high: negative weight where everything is wrong, >= `minus_low`.
            lambda_plus: positive weight, >= 0.
            smoothing: in [0, 1): share of the old average that a step keeps; 0 takes each step as it is.

        Raises:
            ConfigError: a setting is out of range.
        """
        where = "credit.controller accuracy"
        check_number(where, "minus_low", minus_low, low=0.0)
        check_number(where, "minus_high", minus_high, low=minus_low)
        check_number(where, "lambda_plus", lambda_plus, low=0.0)
        check_number(where, "smoothing", smoothing, low=0.0, high=0.999)
        self._low, self._high, self._plus, self._smoothing = minus_low, minus_high, lambda_plus, smoothing
        self._rates: dict[str, float] = {}

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Average the step's success rates in, and weigh by them."""
        for kind, seen in statistics.items():
            if seen.scored:
                old = self._rates.get(kind, seen.success_rate)
                self._rates[kind] = self._smoothing * old + (1.0 - self._smoothing) * seen.success_rate
        return {kind: Lambdas(plus=self._plus, minus=self._minus(kind)) for kind in statistics}

    def _minus(self, kind: str) -> float:
        return self._low + (self._high - self._low) * (1.0 - self._rates.get(kind, 0.0))

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

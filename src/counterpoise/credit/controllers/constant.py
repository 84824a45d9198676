"""Fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.settings import check_number

__all__ = ["Constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """`lambda_plus` and `lambda_minus` never change; 1 and 1 leave the rule as it is."""

    lambda_plus: float = 1.0
    """Weight of the positive part, >= 0."""
    lambda_minus: float = 1.0
    """Weight of the negative part, >= 0."""

    def __post_init__(self) -> None:
        check_number("credit.controller constant", "lambda_plus", self.lambda_plus, low=0.0)
        check_number("credit.controller constant", "lambda_minus", self.lambda_minus, low=0.0)

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """The same two weights for every task type."""
        fixed = Lambdas(plus=self.lambda_plus, minus=self.lambda_minus)
        return dict.fromkeys(statistics, fixed)

    def report(self) -> Mapping[str, float]:
        """Nothing: there is no decision."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Empty: the settings are in the run file."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore.

        Raises:
            CheckpointError: the state belongs to another controller.
        """
        check_state("constant", state, ())

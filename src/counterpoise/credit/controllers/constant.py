"""Fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.ranges import NonNegative
from counterpoise.settings import settings

__all__ = ["Constant"]


@settings("credit.controller constant")
class Constant:
    """`lambda_plus` and `lambda_minus` never change; 1 and 1 leave the rule as it is."""

    reads_entropy: ClassVar[bool] = False

    lambda_plus: NonNegative = 1.0
    """Weight of the positive part, >= 0."""
    lambda_minus: NonNegative = 1.0
    """Weight of the negative part, >= 0."""

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

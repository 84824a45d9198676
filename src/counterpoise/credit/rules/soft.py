"""Calibrated scores: the chance of being right pushes up, the chance of being wrong pushes down."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights, in_range
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import NonNegative
from counterpoise.settings import check_number, settings

__all__ = ["Soft"]


@settings("credit.rule soft")
class Soft:
    """`A = lambda c - (1 - c)` with `c = (r - low) / (high - low)`, for a reward that measures the probability of being right.

    For comparison: it is `hinge` with the same lambda and tau at the share `1 / (1 + lambda)` of the range.

    It is the expectation of Weighted-REINFORCE (arXiv 2506.01347 eq. (9)) over the verdict: `g+ = c`, `g- = 1 - c`, of which one
    rollout keeps the difference, because a token cannot be pushed up and down at once. For c in {0, 1} it is Weighted-REINFORCE.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    lambda_: NonNegative = 1.0
    """Weight of the positive part, >= 0; `lambda` in a run file."""

    low: float = -1.0
    """Reward that means certainly wrong; the run's reward declares its range unless these are set."""
    high: float = 1.0
    """Reward that means certainly right."""

    def __post_init__(self) -> None:
        check_number("credit.rule soft", "high", self.high, low=self.low, exclusive=True)

    @property
    def sign_weights(self) -> SignWeights:
        """The setting `lambda`, and 1."""
        return SignWeights(plus=self.lambda_, neutral={"lambda": 1.0})

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit.

        Raises:
            DataError: a reward is outside [low, high].
        """
        values = in_range("soft", rewards, statistics.scored, self.low, self.high)
        c = (values - self.low) / (self.high - self.low)
        return self.lambda_ * c - (1.0 - c)

"""Weighted-REINFORCE: PSR at a fraction of NSR's weight."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import NonNegative
from counterpoise.settings import settings

__all__ = ["WeightedReinforce"]


@settings("credit.rule weighted_reinforce")
class WeightedReinforce:
    """`A = lambda` if correct, `-1` if wrong.

    Source: arXiv 2506.01347 eq. (9), `L = lambda * L_PSR + L_NSR`. lambda = 1 is `reinforce`, 0 is `nsr`; the paper uses 0.1.
    Polarity share rho = lambda p / (lambda p + 1 - p).
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    lambda_: NonNegative = 0.1
    """Weight of the positive part, >= 0; `lambda` in a run file."""

    @property
    def sign_weights(self) -> SignWeights:
        """The setting `lambda`, and 1."""
        return SignWeights(plus=self.lambda_, neutral={"lambda": 1.0})

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double() * self.lambda_ - (~statistics.correct).double()

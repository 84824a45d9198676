"""Positive sample reinforcement."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["Psr"]


@settings("credit.rule psr")
class Psr:
    """`A = 1` if correct, else 0: only right answers are pushed up.

    Source: arXiv 2506.01347 eq. (3), `L_PSR = -E[sum_{y: r=+1} pi(y|x)]`. No baseline, no standard deviation. Its reference
    code removes the rows with A = 0 before the update; here `credit.filter` does, by name. Polarity share rho = 1.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    @property
    def sign_weights(self) -> SignWeights:
        """There is no negative part."""
        return SignWeights(minus=0.0)

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double()

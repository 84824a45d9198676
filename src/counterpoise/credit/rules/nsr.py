"""Negative sample reinforcement."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["Nsr"]


@settings("credit.rule nsr")
class Nsr:
    """`A = -1` if wrong, else 0: only wrong answers are pushed down.

    Source: arXiv 2506.01347 eq. (4), `L_NSR = +E[sum_{y: r=-1} pi(y|x)]`. An all-wrong group is full signal. Polarity share
    rho = 0. One step of size eta on one wrong token y moves every other token's log-probability by
    `eta * (pi_v + pi_y - |pi|^2)`: all alternatives rise only when the wrong token was confident, `pi_y > |pi|^2`.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    @property
    def sign_weights(self) -> SignWeights:
        """There is no positive part."""
        return SignWeights(plus=0.0)

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double() - 1.0

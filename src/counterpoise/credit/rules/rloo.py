"""REINFORCE with a leave-one-out baseline."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import Scale, centred
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["Rloo"]


@settings("credit.rule rloo")
class Rloo:
    """`A_i = r_i - mean of the other rewards = n / (n - 1) * (r_i - mean)`, over scored rollouts.

    Source: Kool et al. 2019; for language models arXiv 2402.14740. A group of one has no others and gives 0. Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE

    scale: Scale = "zero_one"
    """Reward that is centred; `as_given` doubles the credit for rewards in {-1, +1}."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit."""
        deviation, _ = centred(rewards, statistics, self.scale)
        return torch.where(statistics.n > 1, deviation * (statistics.n / (statistics.n - 1.0)), 0.0)

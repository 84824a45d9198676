"""Dr. GRPO: the group baseline without the standard deviation."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import Scale, centred
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["DrGrpo"]


@settings("credit.rule dr_grpo")
class DrGrpo:
    """`A = r - mean`: `1 - p` if correct, `-p` if wrong, for r in {0, 1}.

    Source: arXiv 2503.20783. Its other half, division by a constant length, is the loss denominator `constant`. A group of one
    gives 0. Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE

    scale: Scale = "zero_one"
    """Reward that is centred; `as_given` doubles the credit for rewards in {-1, +1}."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit."""
        return centred(rewards, statistics, self.scale)[0]

"""Dr. GRPO: the group baseline without the standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SCALES, Scale, centred
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import check_choice

__all__ = ["DrGrpo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrGrpo:
    """`A = r - mean`: `1 - p` if correct, `-p` if wrong, for r in {0, 1}.

    Source: arXiv 2503.20783. Its other half, division by a constant length, is the loss denominator `constant`. A group of one
    gives 0. Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE

    scale: Scale = "zero_one"
    """Reward that is centred; `as_given` doubles the credit for rewards in {-1, +1}."""

    def __post_init__(self) -> None:
        check_choice("credit.rule dr_grpo", "scale", self.scale, SCALES)

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit."""
        return centred(rewards, statistics, self.scale)[0]

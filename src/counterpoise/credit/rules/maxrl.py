"""MaxRL: maximum likelihood of success."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["MaxRl"]


@settings("credit.rule maxrl")
class MaxRl:
    """`A = (r - p) / p` with r in {0, 1}: `(1-p)/p` if correct, `-1` if wrong; 0 in an all-wrong group.

    Source: arXiv 2602.02710, the estimator of `grad log p` truncated at the group size, with the group mean as baseline.
    Changed: no epsilon in the denominator (an all-wrong group is 0 by rule, not by rounding). Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE
    divides: ClassVar[bool] = True

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        credit = torch.where(statistics.correct, (statistics.n - statistics.c) / statistics.c, -1.0)
        return torch.where(statistics.c > 0, credit, 0.0)

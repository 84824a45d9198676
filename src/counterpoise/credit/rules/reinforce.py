"""REINFORCE on +1/-1 without a baseline."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["Reinforce"]


@settings("credit.rule reinforce")
class Reinforce:
    """`A = +1` if correct, `-1` if wrong: the paper's objective undivided, PSR and NSR with equal weights.

    Source: arXiv 2506.01347 eqs. (1)-(2). Polarity share rho = p.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double() * 2.0 - 1.0

"""A constant baseline below or above the success rate (AsymRE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.settings import check_number

__all__ = ["Asymmetric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asymmetric:
    """`A = r - b` with r in {0, 1}: `1 - b` if correct, `-b` if wrong.

    Source: AsymRE, arXiv 2506.20520. Changed: b is held in [0, 1], outside which both verdicts would be pushed the same way.
    `weighted_reinforce(l) == (1 + l) * asymmetric(1 / (1 + l))`.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    b: float = 0.5
    """Baseline in [0, 1]; 0 is `psr`, 1 is `nsr`."""

    def __post_init__(self) -> None:
        check_number("credit.rule asymmetric", "b", self.b, low=0.0, high=1.0)

    @property
    def sign_weights(self) -> SignWeights:
        """1 - b and b."""
        return SignWeights(plus=1.0 - self.b, minus=self.b, neutral={"b": 0.5})

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double() - self.b

"""A constant baseline below or above the success rate (AsymRE)."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import Share
from counterpoise.settings import settings

__all__ = ["Asymmetric"]


@settings("credit.rule asymmetric")
class Asymmetric:
    """`A = r - b` with r in {0, 1}: `1 - b` if correct, `-b` if wrong.

    For comparison: it is `weighted_reinforce` up to a factor, `weighted_reinforce(l) == (1 + l) * asymmetric(1 / (1 + l))`.

    Source: AsymRE, arXiv 2506.20520. Changed: b is held in [0, 1], outside which both verdicts would be pushed the same way.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    b: Share = 0.5
    """Baseline in [0, 1]; 0 is `psr`, 1 is `nsr`."""

    @property
    def sign_weights(self) -> SignWeights:
        """1 - b and b."""
        return SignWeights(plus=1.0 - self.b, minus=self.b, neutral={"b": 0.5})

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        return statistics.correct.double() - self.b

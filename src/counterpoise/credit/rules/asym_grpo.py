"""AsymGRPO: how much hard prompts count, set for each sign by itself."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import NonNegative
from counterpoise.settings import settings

__all__ = ["AsymGrpo"]


@settings("credit.rule asym_grpo")
class AsymGrpo:
    """`A = ((1-p)/p)^beta_plus` if correct, `-(p/(1-p))^beta_minus` if wrong.

    At 1/2 and 1/2 it is `grpo` with ddof 0 and eps 0 wherever a group is mixed, at 0 and 0 it is `reinforce`. An exponent > 0 gives 0 at
    its end: right rollouts of an all-right group, wrong ones of an all-wrong group.

    Source: arXiv 2604.04894, the exponents and their values as a public reading of its sections 2 to 4 gives them; the paper's own text was
    not at hand. Polarity share: `rho = p f+ / (p f+ + (1-p) f-)`, 1/2 at every p only where both exponents are 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE
    divides: ClassVar[bool] = True

    beta_plus: NonNegative = 0.9
    """Exponent of the positive part, >= 0: the larger, the more rare successes count."""
    beta_minus: NonNegative = 0.4
    """Exponent of the negative part, >= 0: the larger, the more rare failures count."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        right, wrong = statistics.c, statistics.n - statistics.c
        up, down = (wrong / right) ** self.beta_plus, (right / wrong) ** self.beta_minus
        return torch.where(statistics.correct, up, -down)

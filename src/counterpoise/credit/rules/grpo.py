"""GRPO's group-normalised advantage."""

from __future__ import annotations

from typing import ClassVar, Literal

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import Scale, centred, normalised
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import Correction, NonNegative
from counterpoise.settings import settings

__all__ = ["Grpo"]


@settings("credit.rule grpo")
class Grpo:
    """`A = (r - mean) / s`, `s = std_ddof + eps` over the scored rollouts of the group; 0 where the std is 0.

    Source: DeepSeekMath, arXiv 2402.03300, section 4.1.2 (outcome supervision). For r in {0, 1}: `(1-p)/s` if correct, `-p/s`
    if wrong. The conventions change numbers (one success in eight: 2.4749 with ddof 1, 2.6458 with ddof 0), so they are named:
    verl and TRL use ddof 1 in groups of two or more. A group of one gives 0, as in TRL; verl gives it `r / (1 + eps)`, the reward itself.
    Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.BASELINE
    divides: ClassVar[bool] = True

    ddof: Correction = 1
    """Delta degrees of freedom of the std: 1 (verl, TRL) or 0."""
    eps: NonNegative = 1e-6
    """Added to the denominator, >= 0."""
    eps_to: Literal["std", "variance"] = "std"
    """`std`: `s = std + eps`; `variance`: `s = sqrt(var + eps)`."""
    scale: Scale = "zero_one"
    """Reward that is centred: the success indicator, or the reward as given (they differ through eps alone)."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit."""
        deviation, squares = centred(rewards, statistics, self.scale)
        return normalised(deviation, squares, statistics.n, ddof=self.ddof, eps=self.eps, eps_to=self.eps_to)

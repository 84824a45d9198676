"""NGRPO: GRPO with one virtual success in every group."""

from __future__ import annotations

from typing import ClassVar, Literal

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import normalised
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import Correction, NonNegative
from counterpoise.settings import settings

__all__ = ["Ngrpo"]


@settings("credit.rule ngrpo")
class Ngrpo:
    """`A = (r - mean') / s'` where mean' and s' are those of the group and one more rollout of reward 1, r in {0, 1}.

    For comparison: no recipe or study here uses it.

    With `n' = n + 1`, `p' = (c + 1) / n'`: `(1 - p')/s'` if correct, `-p'/s'` if wrong; an all-wrong group is pushed down, an
    all-right one gets 0.

    Source: arXiv 2509.18851, advantage calibration; its example of one success in eight, 1.76 and -0.50, is
    ddof = 1. Its other half, asymmetric clipping, is `ppo_clip` with `clip_low = 0.16, clip_high = 0.24`.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    divides: ClassVar[bool] = True

    ddof: Correction = 1
    """Delta degrees of freedom of s': 1 or 0."""
    eps: NonNegative = 1e-6
    """Added to the denominator, >= 0."""
    eps_to: Literal["std", "variance"] = "std"
    """`std`: `s' = std + eps`; `variance`: `s' = sqrt(var + eps)`."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        n, wrong = statistics.n + 1.0, statistics.n - statistics.c
        deviation = torch.where(statistics.correct, wrong / n, -(statistics.c + 1.0) / n)
        squares = (statistics.c + 1.0) * wrong / n
        return normalised(deviation, squares, n, ddof=self.ddof, eps=self.eps, eps_to=self.eps_to)

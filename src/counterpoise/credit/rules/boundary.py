"""Bayesian Boundary Gating: only problems whose pass@k at a large k can still move."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import NonNegative
from counterpoise.settings import settings

__all__ = ["Boundary"]


@settings("credit.rule boundary")
class Boundary:
    """`A = u(m) / u(1) (r - p)`, r in {0, 1}, in a group of m > 0 successes of n; 0 beyond the gate; `A = -1` in an all-wrong group.

    `u(m) = E_{p ~ Beta(m+1, n-m+1)}[k (1-p)^(k-1)] = k prod_{0 < j < k} (n-m+j) / (n+1+j)` is the believed slope of pass@k, and the gate is
    shut where `u(m) < tau (n + 1)`. For n = 8, k = 16, tau = 0.01 the weights are 1, 0.32 and 0.09 for one to three successes, 0 for more.

    Source: arXiv 2606.15455, eqs. 8 and 9, as the project's design note and a public re-implementation give them; the paper's own text was
    not at hand. Groups without a success learn by signed REINFORCE there, which on wrong rollouts alone is `nsr`. What it multiplies in
    other groups is here `r - p`, as in `dr_grpo`. A group of one gets 0 if correct. Polarity share rho = 1/2 but for all-wrong groups.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    divides: ClassVar[bool] = True

    k: Annotated[int, Ge(1), Le(4096)] = 16
    """Draws of the pass@k that is to be kept, >= 1."""
    tau: NonNegative = 0.01
    """Threshold of the gate, a share of n + 1, >= 0; 0 leaves it open."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        n, c = statistics.n, statistics.c
        slope = self._slope(n, c)
        weight = torch.where(slope >= self.tau * (n + 1.0), slope / self._slope(n, torch.ones_like(c)), 0.0)
        return torch.where(c > 0, weight * (statistics.correct.double() - statistics.p), -1.0)

    def _slope(self, n: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        j = torch.arange(1, self.k, dtype=torch.float64, device=n.device)
        return self.k * (((n - c)[:, None] + j) / (n[:, None] + 1.0 + j)).prod(dim=1)

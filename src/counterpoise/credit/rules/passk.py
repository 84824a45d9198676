"""Pass@k training."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.errors import ConfigError
from counterpoise.lazy import torch
from counterpoise.ranges import Positive
from counterpoise.settings import settings

__all__ = ["PassK"]


@settings("credit.rule passk")
class PassK:
    """Advantages of all k-subsets of a group, each worth 1 if it holds a success, averaged over each rollout's subsets.

    With `q = C(n-c, k) / C(n, k)` the chance that a subset fails, rho_k = 1 - q and `s = sqrt(q (1 - q))`:
    `A = q / s` if correct, `A = (q - C(n-c-1, k-1) / C(n-1, k-1)) / s` if wrong. Since `q = (n-c)/n * C(n-c-1, k-1) / C(n-1, k-1)`,
    the latter is `-(c/n) C(n-c-1, k-1) / C(n-1, k-1) / s`, which is how it is computed (no cancellation).

    Source: arXiv 2508.10751, the analytical derivation. Changed: no 1e-6 beside `s`; 0 where s = 0 (no success, or
    fewer than k failures) and where fewer than k rollouts are scored. k = 1 is `grpo(ddof=0, eps=0)`. Polarity share rho = 1/2.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    divides: ClassVar[bool] = True

    k: Positive
    """Subset size, >= 1 and below the group size (at the group size every subset of a group is the same and s = 0)."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read.

        Raises:
            ConfigError: no group is larger than k, so that every credit would be zero.
        """
        if statistics.size.numel() and int(statistics.size.max()) <= self.k:
            raise ConfigError(
                f"credit.rule passk: k = {self.k} needs groups of more than {self.k} rollouts; "
                f"the largest here has {int(statistics.size.max())}; lower k or raise rollout.group_size"
            )
        drawn = torch.arange(1, self.k, dtype=torch.float64, device=statistics.n.device)
        wrong = statistics.n - statistics.c
        # C(w-1, k-1) / C(n-1, k-1) as a product of k-1 ratios; a factor of 0 says that there are fewer than k failures.
        rest = ((wrong[:, None] - drawn).clamp(min=0.0) / (statistics.n[:, None] - drawn)).prod(dim=1)
        fail = wrong / statistics.n * rest
        spread = torch.sqrt(fail * (1.0 - fail))
        credit = torch.where(statistics.correct, fail, -statistics.p * rest) / spread
        return torch.where((statistics.n >= self.k) & (spread > 0), credit, 0.0)

"""The gradient of the area under pass@k, as far as a group's counts tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen

from counterpoise.credit.advantages import EveryStep, StepRule
from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.posterior import log_target, mean_slopes
from counterpoise.credit.prior import AtMovingPrior
from counterpoise.credit.rules.needs import Needs
from counterpoise.errors import ConfigError
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero, Expected, Smoothing
from counterpoise.settings import settings

__all__ = ["Area"]

_LARGEST = 4096
_WEIGHTS = f"a table of weights > 0 by k from 1 to {_LARGEST}, such as {{1 = 1.0, 8 = 1.0}}"


@settings("credit.rule area")
class Area:
    """`A_i = E[J'(p) (r_i - p) | counts]`, r in {0, 1}: `E[J'(p) (1 - p)]` if correct, `-E[J'(p) p]` if wrong.

    `J(p) = sum_k w_k pass@k` is what is to grow, `J'(p) = sum_k w_k k (1-p)^(k-1)` its slope, and p is Beta(a + c, b + n - c)
    after c successes of n scored rollouts; the means have closed forms (`credit.posterior`). With `w_k = 1/k` up to K, the area under
    pass@k over log k, `J' = (1 - (1-p)^K) / p` and `J' p` is pass@K: a wrong rollout is worth the belief that K draws would solve the
    problem, at most 1. So an all-wrong group gets negatives as large as it is likely to be solvable, an all-right one positives as
    small as failures are likely, and the balance of the signs follows. The mean is of the product: the product of the means of J' and p
    gives all-wrong groups more than a wrong rollout can lose (docs/log).

    The prior a, b is fitted to the counts of the steps before (`prior = "moving"`), for each task type, or stays as set. Limits:
    `weights = {1 = 1.0}` and a = b -> 0 is `dr_grpo` (`rloo` with `evidence = "others"`); K -> infinity, a = 1, b -> 0 is `maxrl` where a
    group has a success; with one k and a = b = 1, E[J'] is the weight u of `boundary`. With `evidence = "others"` the policy
    gradient is exactly that of E[J'] times grad p. Polarity share: whatever comes out. Source: our own; leave-one-out gradients of pass@k
    without a prior: PKPO, arXiv 2505.15201.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    divides: ClassVar[bool] = True

    up_to: Annotated[int, Ge(1), Le(_LARGEST)] = 32
    """K >= 1: the largest k of the area; `weights` takes its place where given."""
    weights: Annotated[Mapping[str, AboveZero], MinLen(1), Expected(_WEIGHTS)] | None = None
    """w_k by k, e.g. `{1 = 1.0, 8 = 1.0}`; none is 1/k for k = 1 to `up_to`."""
    prior: Literal["moving", "fixed"] = "moving"
    """`moving`: a and b fitted to the counts of the steps before, which only a run has; elsewhere, in a task type's first step, and with
    `fixed` always, a and b as set."""
    a: AboveZero = 1.0
    """Prior successes, > 0."""
    b: AboveZero = 1.0
    """Prior failures, > 0."""
    smoothing: Smoothing = 0.9
    """Share of the older steps' counts that a step keeps, in [0, 1)."""
    evidence: Literal["group", "others"] = "group"
    """`group`: the posterior is that of the whole group. `others`: it leaves the rollout itself out, so that the gradient has no bias of
    its own, and one success in a group weighs twice as much; `group` is nearer to the slope at every success rate (docs/log)."""

    def __post_init__(self) -> None:
        for k in self.weights or ():
            # "01" is refused, too: beside "1" one of the two weights would be lost
            if not (k.isdecimal() and k.isascii() and k == str(int(k)) and 1 <= int(k) <= _LARGEST):
                raise ConfigError(f"credit.rule area: weights has the key {k!r}; expected {_WEIGHTS}")

    @property
    def target(self) -> Mapping[int, float]:
        """w_k by k."""
        return log_target(self.up_to) if self.weights is None else {int(k): w for k, w in self.weights.items()}

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict under Beta(a, b); `rewards` is not read."""
        ones = torch.ones_like(statistics.n)
        return self.under(self.a * ones, self.b * ones, statistics)

    def for_steps(self) -> StepRule:
        """With `prior = "moving"`, the rule under priors that follow the steps; otherwise the rule itself."""
        return AtMovingPrior(self) if self.prior == "moving" else EveryStep(self)

    def under(self, a: torch.Tensor, b: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit with the prior of each rollout: (N,) float64 a > 0 and b >= 0."""
        own = statistics.correct.double() if self.evidence == "others" else torch.zeros_like(statistics.n)
        itself = float(self.evidence == "others")
        successes = statistics.c - own
        failures = (statistics.n - statistics.c - (itself - own)).clamp(min=0.0)  # below 0 for a row that is not scored
        distinct, where = torch.unique(torch.stack([a + successes, b + failures], dim=1), dim=0, return_inverse=True)
        _, taken, given = mean_slopes(distinct[:, 0], distinct[:, 1], self.target)
        return torch.where(statistics.correct, given[where], -taken[where])

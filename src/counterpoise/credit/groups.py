"""Group statistics, broadcast to rollouts: segment operations on arbitrary group ids, two passes in float64."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.errors import DataError, UsageError
from counterpoise.lazy import torch

__all__ = ["GroupStatistics", "check_rows", "dense_groups", "group_statistics", "segment_sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatistics:
    """What a rule may know of each rollout's group. All tensors are (N,); statistics are over *scored* rollouts only."""

    group: torch.Tensor
    """int64 index of the group, dense in [0, groups)."""
    groups: int
    """Number of distinct groups."""
    size: torch.Tensor
    """int64 rollouts of the group, unscored ones included."""
    scored: torch.Tensor
    """bool: the rollout counts."""
    correct: torch.Tensor
    """bool: verdict correct (and scored)."""
    n: torch.Tensor
    """float64 scored rollouts of the group."""
    c: torch.Tensor
    """float64 correct rollouts of the group."""
    p: torch.Tensor
    """float64 success rate `c / n`; NaN in a group without scored rollouts."""
    mean: torch.Tensor
    """float64 mean reward; NaN in a group without scored rollouts."""
    squares: torch.Tensor
    """float64 sum of squared deviations of the reward from its group mean; exactly 0 when all rewards are equal."""
    constant: torch.Tensor
    """bool: all scored rewards of the group are equal (also true when there are none)."""

    def std(self, ddof: int) -> torch.Tensor:
        """(N,) `sqrt(squares / (n - ddof))`; 0 where `n <= ddof`."""
        return torch.sqrt(self.squares / (self.n - ddof).clamp(min=1.0)) * (self.n > ddof)


def group_statistics(
    correct: torch.Tensor, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor | None = None
) -> GroupStatistics:
    """Statistics of every rollout's group; a group must be whole in this call (it cannot be split over processes).

    The mean is corrected by a second pass and the squares are taken around it, never as E[r^2] - E[r]^2. A group of equal
    rewards has exactly that mean and exactly zero squares, whatever rounding the sum had.

    Args:
        correct: (N,) bool.
        scored: (N,) bool; unscored rows leave every statistic.
        group_ids: (N,) integers, in any order, contiguous or not.
        rewards: (N,) floats; None takes the success indicator in {0, 1}.

    Raises:
        UsageError: shapes or dtypes do not fit.
        DataError: a scored rollout has a reward that is not finite.
    """
    check_rows(correct=correct, scored=scored, group_ids=group_ids, rewards=rewards)
    group, groups = dense_groups(group_ids)
    correct = correct & scored
    values = correct.double() if rewards is None else rewards.double()
    values = torch.where(scored, values, 0.0)
    if not bool(torch.isfinite(values).all()):
        row = int(torch.nonzero(~torch.isfinite(values))[0])
        raise DataError(
            f"the reward of rollout {row} is {float(values[row])} although it is scored; "
            "give scored rollouts finite rewards, or mark it unscored"
        )
    n = segment_sum(scored.double(), group, groups)
    c = segment_sum(correct.double(), group, groups)
    high = torch.full((groups,), -torch.inf, dtype=torch.float64, device=values.device)
    high = high.scatter_reduce(0, group, torch.where(scored, values, -torch.inf), "amax")[group]
    low = torch.full((groups,), torch.inf, dtype=torch.float64, device=values.device)
    low = low.scatter_reduce(0, group, torch.where(scored, values, torch.inf), "amin")[group]
    constant = high <= low
    mean = segment_sum(values, group, groups) / n
    mean = mean + segment_sum(torch.where(scored, values - mean, 0.0), group, groups) / n
    mean = torch.where((n > 0) & constant, high, mean)
    deviations = torch.where(scored, values - mean, 0.0)
    return GroupStatistics(
        group=group,
        groups=groups,
        size=torch.bincount(group, minlength=groups)[group],
        scored=scored,
        correct=correct,
        n=n,
        c=c,
        p=c / n,
        mean=mean,
        squares=segment_sum(deviations * deviations, group, groups),
        constant=constant | (n == 0),
    )


def dense_groups(group_ids: torch.Tensor) -> tuple[torch.Tensor, int]:
    """(N,) int64 index in [0, M) of each row's group, in increasing order of id, and M."""
    distinct, group = torch.unique(group_ids, return_inverse=True)
    return group, int(distinct.numel())


def segment_sum(values: torch.Tensor, group: torch.Tensor, groups: int) -> torch.Tensor:
    """(N,) sum of `values` over each row's group."""
    sums = torch.zeros(groups, dtype=values.dtype, device=values.device)
    return sums.index_add(0, group, values)[group]


def check_rows(
    *, correct: torch.Tensor, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor | None = None
) -> None:
    """Refuse row tensors whose shapes or dtypes do not fit.

    Raises:
        UsageError: with the shape or dtype that was found.
    """
    for name, tensor in (("correct", correct), ("scored", scored)):
        if tensor.dtype != torch.bool:
            raise UsageError(
                f"{name} has dtype {tensor.dtype}; expected torch.bool (three truth values need two masks)"
            )
    if group_ids.is_floating_point() or group_ids.dtype == torch.bool:
        raise UsageError(f"group_ids has dtype {group_ids.dtype}; expected integers")
    named = {"correct": correct, "scored": scored, "group_ids": group_ids}
    if rewards is not None:
        named["rewards"] = rewards
    for name, tensor in named.items():
        if tensor.ndim != 1 or tensor.shape != correct.shape:
            raise UsageError(
                f"{name} has shape {tuple(tensor.shape)}; expected (N,) = {tuple(correct.shape[:1])} like the other rows"
            )

"""A step's statistics per task type, as controllers read them."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoise.credit.controllers.base import StepStatistics
from counterpoise.credit.groups import check_rows, dense_groups
from counterpoise.credit.statistics import token_masses
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import Credit, Sum

__all__ = ["step_statistics"]


def step_statistics(
    *,
    credit: Credit,
    correct: torch.Tensor,
    scored: torch.Tensor,
    group_ids: torch.Tensor,
    lengths: torch.Tensor,
    task_types: Sequence[str],
    entropy_sums: torch.Tensor | None = None,
) -> dict[str, StepStatistics]:
    """Statistics of every task type of a batch; a group has one task type.

    Args:
        credit: (N,) or (N, T) credit at both lambdas = 1.
        correct: (N,) bool.
        scored: (N,) bool.
        group_ids: (N,) integers.
        lengths: (N,) response tokens.
        task_types: N names.
        entropy_sums: (N,) token entropies in nats, summed over each response; None when not measured.

    Raises:
        UsageError: shapes or dtypes do not fit.
    """
    check_rows(correct=correct, scored=scored, group_ids=group_ids)
    if len(task_types) != len(correct):
        raise UsageError(f"{len(task_types)} task types for {len(correct)} rollouts; give one per rollout")
    names = sorted(set(task_types))
    index = {name: position for position, name in enumerate(names)}
    kind = torch.tensor([index[name] for name in task_types], dtype=torch.int64, device=correct.device)
    group, groups = dense_groups(group_ids)
    kind_of_group = torch.zeros(groups, dtype=torch.int64, device=kind.device).scatter(0, group, kind)
    zeros = torch.zeros(groups, dtype=torch.float64, device=kind.device)
    right = (correct & scored).double()
    plus, minus = token_masses(credit, lengths)
    measured = torch.zeros_like(plus) if entropy_sums is None else entropy_sums.double()
    tokens = torch.zeros_like(plus) if entropy_sums is None else lengths.double()
    by_row = torch.stack([scored.double(), right, plus, minus, measured, tokens])
    by_group = torch.stack(
        [zeros.index_add(0, group, scored.double()) > 0, zeros.index_add(0, group, right) > 0]
    ).double()
    rows = torch.zeros(len(by_row), len(names), dtype=torch.float64, device=kind.device).index_add(1, kind, by_row)
    whole = torch.zeros(len(by_group), len(names), dtype=torch.float64, device=kind.device).index_add(
        1, kind_of_group, by_group
    )
    table = torch.cat([rows, whole]).T.tolist()
    return {
        name: StepStatistics(
            scored=values[0],
            correct=values[1],
            plus_mass=values[2],
            minus_mass=values[3],
            entropy=Sum(total=values[4], count=values[5]),
            groups=values[6],
            solved_groups=values[7],
        )
        for name, values in zip(names, table, strict=True)
    }

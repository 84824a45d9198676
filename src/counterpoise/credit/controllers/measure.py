"""A step's statistics per task type, as controllers read them."""

from __future__ import annotations

from counterpoise.credit.controllers.base import StepStatistics
from counterpoise.credit.groups import check_rows, dense_groups
from counterpoise.credit.statistics import token_masses
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import Batch, Credit, Sum

__all__ = ["step_statistics"]


def step_statistics(credit: Credit, batch: Batch) -> dict[str, StepStatistics]:
    """Statistics of every task type of a batch; a group has one task type.

    Args:
        credit: (N,) or (N, T) credit at both lambdas = 1.
        batch: the rollouts; its surprisal estimates the entropy, which is not measured where it is None.

    Raises:
        UsageError: shapes or dtypes do not fit.
    """
    correct, scored, group_ids, task_types = batch.correct, batch.scored, batch.group_ids, batch.task_types
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
    plus, minus = token_masses(credit, batch.lengths)
    nothing = torch.zeros_like(plus)
    measured, tokens = (nothing, nothing) if batch.surprisal is None else (batch.surprisal, batch.lengths)
    by_row = torch.stack([scored.double(), right, plus, minus, measured.double(), tokens.double()])
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

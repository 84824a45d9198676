"""Columns of a step for each task type, where a run has more than one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from counterpoise.credit.statistics import credit_metrics
from counterpoise.types import Batch, Credit, Sum

__all__ = ["credit_columns", "task_type_metrics"]

_SHARES = ("polarity_share_rows", "polarity_share_tokens")
_FROM_CREDIT = ("success_rate", "coverage", *_SHARES)
_NOTHING = Sum(total=0.0, count=0.0)


def credit_columns(kinds: Sequence[str], credit: Credit, batch: Batch) -> dict[str, Sum]:
    """`credit_metrics` of the batch, and `success_rate`, `coverage` and the two polarity shares as `NAME/TYPE`.

    A task type of which the step drew nothing has counts of 0; with fewer than two kinds there are no columns by type.

    Args:
        kinds: all task types of the run.
        credit: of the N rollouts.
        batch: the rollouts.
    """
    columns = credit_metrics(credit, batch)
    rows = batch.by_task_type()
    for kind in kinds if len(kinds) > 1 else ():
        own = rows.get(kind)
        found = {} if own is None else credit_metrics(credit.rows(own), batch.rows(own))
        columns |= {f"{name}/{kind}": found.get(name, _NOTHING) for name in _FROM_CREDIT}
    return columns


def task_type_metrics(
    kinds: Sequence[str], batch: Batch, lambda_plus: torch.Tensor, lambda_minus: torch.Tensor
) -> dict[str, Sum]:
    """`NAME/TYPE` for `entropy_sampled` and the two lambdas; like `credit_columns` where a type was not drawn or is the only one.

    Args:
        kinds: all task types of the run.
        batch: N rollouts.
        lambda_plus: (N,) weights.
        lambda_minus: (N,) weights.
    """
    metrics: dict[str, Sum] = {}
    by_kind = batch.by_task_type()
    for kind in kinds if len(kinds) > 1 else ():
        rows = by_kind.get(kind, batch.group_ids.new_empty(0))
        surprisal, tokens = (
            (0.0, 0) if batch.surprisal is None else (batch.surprisal[rows].sum(), batch.lengths[rows].sum())
        )
        metrics |= {
            f"entropy_sampled/{kind}": Sum(total=float(surprisal), count=int(tokens)),
            f"lambda_plus/{kind}": Sum(total=float(lambda_plus[rows].sum()), count=len(rows)),
            f"lambda_minus/{kind}": Sum(total=float(lambda_minus[rows].sum()), count=len(rows)),
        }
    return metrics

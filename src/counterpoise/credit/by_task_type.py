"""Columns of a step for each task type, where a run has more than one."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoise.columns import BY_TYPE
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.statistics import credit_metrics
from counterpoise.lazy import torch
from counterpoise.types import Batch, Credit, Sum

__all__ = ["credit_columns", "task_type_metrics", "weight_columns"]

_NOTHING = Sum(total=0.0, count=0.0)
_NEUTRAL = SignWeights()


def weight_columns(lambda_plus: torch.Tensor, lambda_minus: torch.Tensor, own: SignWeights) -> dict[str, torch.Tensor]:
    """(N,) of each rollout: what the controller gave the two signs, and what they weigh with the rule's own weights."""
    return {
        "lambda_plus": lambda_plus,
        "lambda_minus": lambda_minus,
        "weight_plus": own.plus * lambda_plus,
        "weight_minus": own.minus * lambda_minus,
    }


def credit_columns(kinds: Sequence[str], credit: Credit, batch: Batch) -> dict[str, Sum]:
    """`credit_metrics` of the batch, and those of them that are kept by task type (`columns.BY_TYPE`) as `NAME/TYPE`.

    A task type of which the step drew nothing has counts of 0; with fewer than two kinds there are no columns by type.

    Args:
        kinds: all task types of the run.
        credit: of the N rollouts.
        batch: the rollouts.
    """
    columns = credit_metrics(credit, batch)
    names = [name for name in BY_TYPE if name in columns]
    rows = batch.by_task_type()
    for kind in kinds if len(kinds) > 1 else ():
        own = rows.get(kind)
        found = {} if own is None else credit_metrics(credit.rows(own), batch.rows(own))
        columns |= {f"{name}/{kind}": found.get(name, _NOTHING) for name in names}
    return columns


def task_type_metrics(
    kinds: Sequence[str],
    batch: Batch,
    lambda_plus: torch.Tensor,
    lambda_minus: torch.Tensor,
    own: SignWeights = _NEUTRAL,
) -> dict[str, Sum]:
    """`NAME/TYPE` for `entropy_sampled` and the weights of the signs; like `credit_columns` where a type was not drawn or is the only one.

    Args:
        kinds: all task types of the run.
        batch: N rollouts.
        lambda_plus: (N,) weights.
        lambda_minus: (N,) weights.
        own: the rule's weights.
    """
    columns = weight_columns(lambda_plus, lambda_minus, own)
    metrics: dict[str, Sum] = {}
    by_kind = batch.by_task_type()
    for kind in kinds if len(kinds) > 1 else ():
        rows = by_kind.get(kind, batch.group_ids.new_empty(0))
        surprisal, tokens = (
            (0.0, 0) if batch.surprisal is None else (batch.surprisal[rows].sum(), batch.lengths[rows].sum())
        )
        metrics |= {
            f"entropy_sampled/{kind}": Sum(total=float(surprisal), count=int(tokens)),
            **{
                f"{name}/{kind}": Sum(total=float(values[rows].sum()), count=len(rows))
                for name, values in columns.items()
            },
        }
    return metrics

"""Columns of a step for each task type, where a run has more than one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from counterpoise.credit import credit_metrics
from counterpoise.pipeline import Outcome
from counterpoise.types import Credit, Sum

__all__ = ["task_type_metrics"]

_FROM_CREDIT = ("success_rate", "coverage", "polarity_share_rows", "polarity_share_tokens")


def task_type_metrics(
    kinds: Sequence[str], outcome: Outcome, credit: Credit, lambda_plus: torch.Tensor, lambda_minus: torch.Tensor
) -> dict[str, Sum]:
    """`NAME/TYPE` for `success_rate`, `coverage`, `polarity_share_rows`, `polarity_share_tokens`, `entropy_sampled` and the two lambdas.

    A task type of which the step drew nothing has counts of 0; with fewer than two kinds there are no columns.

    Args:
        kinds: all task types of the run.
        outcome: N rollouts.
        credit: theirs, weighed.
        lambda_plus: (N,) weights.
        lambda_minus: (N,) weights.
    """
    metrics: dict[str, Sum] = {}
    for kind in kinds if len(kinds) > 1 else ():
        rows = torch.tensor([index for index, own in enumerate(outcome.task_types) if own == kind], dtype=torch.int64)
        count = len(rows)
        found = dict.fromkeys(_FROM_CREDIT, Sum(total=0.0, count=0.0))
        if count:
            found = credit_metrics(
                credit=Credit(plus=credit.plus[rows], minus=credit.minus[rows]),
                correct=outcome.correct[rows],
                scored=outcome.scored[rows],
                group_ids=outcome.group_ids[rows],
                lengths=outcome.lengths[rows],
            )
        metrics |= {f"{name}/{kind}": found[name] for name in _FROM_CREDIT}
        metrics |= {
            f"entropy_sampled/{kind}": Sum(
                total=float(outcome.surprisal[rows].sum()), count=int(outcome.lengths[rows].sum())
            ),
            f"lambda_plus/{kind}": Sum(total=float(lambda_plus[rows].sum()), count=count),
            f"lambda_minus/{kind}": Sum(total=float(lambda_minus[rows].sum()), count=count),
        }
    return metrics

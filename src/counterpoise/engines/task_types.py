"""Columns of a step for each task type, where a run has more than one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from counterpoise.credit import SignWeights, credit_metrics
from counterpoise.pipeline import Outcome
from counterpoise.types import Credit, Sum

__all__ = ["task_type_metrics", "weight_columns"]

_FROM_CREDIT = ("success_rate", "coverage", "polarity_share_rows", "polarity_share_tokens")
_NEUTRAL = SignWeights()


def weight_columns(lambda_plus: torch.Tensor, lambda_minus: torch.Tensor, own: SignWeights) -> dict[str, torch.Tensor]:
    """(N,) of each rollout: what the controller gave the two signs, and what they weigh with the rule's own weights."""
    return {
        "lambda_plus": lambda_plus,
        "lambda_minus": lambda_minus,
        "weight_plus": own.plus * lambda_plus,
        "weight_minus": own.minus * lambda_minus,
    }


def task_type_metrics(
    kinds: Sequence[str],
    outcome: Outcome,
    credit: Credit,
    lambda_plus: torch.Tensor,
    lambda_minus: torch.Tensor,
    own: SignWeights = _NEUTRAL,
) -> dict[str, Sum]:
    """`NAME/TYPE` for `success_rate`, `coverage`, `polarity_share_rows`, `polarity_share_tokens`, `entropy_sampled` and the weights.

    A task type of which the step drew nothing has counts of 0; with fewer than two kinds there are no columns.

    Args:
        kinds: all task types of the run.
        outcome: N rollouts.
        credit: theirs, weighed.
        lambda_plus: (N,) weights.
        lambda_minus: (N,) weights.
        own: the rule's weights.
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
            **{
                f"{name}/{kind}": Sum(total=float(values[rows].sum()), count=count)
                for name, values in weight_columns(lambda_plus, lambda_minus, own).items()
            },
        }
    return metrics

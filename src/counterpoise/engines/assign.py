"""A step's credit, composed: rule, emphasis, token weights, controller; and which of its rows the learner gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from accelerate.utils import gather_object

from counterpoise.credit import (
    Controller,
    SignWeights,
    StepStatistics,
    TokenWeights,
    credit_metrics,
    keep_rows,
    lambdas_for_rows,
    signed_credit,
    step_statistics,
    token_weight_metrics,
)
from counterpoise.credit.emphasis import Emphasis
from counterpoise.engines.rules import RuleOf, sums_over_processes
from counterpoise.engines.task_types import task_type_metrics, weight_columns
from counterpoise.engines.token_weighing import TokenWeighing
from counterpoise.pipeline import Outcome
from counterpoise.types import Credit, Sum

__all__ = ["assigner", "select_rows"]


def assigner(
    rule_of: RuleOf,
    emphasis: Emphasis | None,
    weighing: TokenWeighing,
    controller: Controller,
    all_wrong_cap: float | None,
    kinds: Sequence[str],
    own: SignWeights,
) -> Callable[[Outcome], tuple[Credit, Mapping[str, Sum]]]:
    """From a step's outcome to its credit, weighed by what the controller decides on it, and the step's columns.

    Args:
        rule_of: gives the rule of a step.
        emphasis: weight of each group.
        weighing: weights of tokens.
        controller: sets the two lambdas, from the masses of all processes.
        all_wrong_cap: largest share of the negative mass that all-wrong groups may carry.
        kinds: task types that get columns of their own.
        own: the weights that the rule has put on the two signs already, for the columns that say what each really weighs.
    """

    def assign(outcome: Outcome) -> tuple[Credit, Mapping[str, Sum]]:
        rule, rule_metrics = rule_of(outcome)
        weights = weighing.of(outcome)

        def credit(plus: float | torch.Tensor, minus: float | torch.Tensor, u: TokenWeights | None = weights) -> Credit:
            return signed_credit(
                rewards=outcome.rewards,
                correct=outcome.correct,
                scored=outcome.scored,
                group_ids=outcome.group_ids,
                rule=rule,
                emphasis=emphasis,
                lambda_plus=plus,
                lambda_minus=minus,
                token_weights=u,
                all_wrong_cap=all_wrong_cap,
                add=sums_over_processes,
            )

        # The controller balances the masses that are trained on, so it sees them with their token weights.
        alone = credit(1.0, 1.0)
        measured = step_statistics(
            credit=alone,
            correct=outcome.correct,
            scored=outcome.scored,
            group_ids=outcome.group_ids,
            lengths=outcome.lengths,
            task_types=outcome.task_types,
            entropy_sums=outcome.surprisal,
        )
        lambdas = controller.update(_over_processes(measured))
        plus, minus = lambdas_for_rows(lambdas, outcome.task_types)
        weighed = credit(plus, minus)
        metrics = credit_metrics(
            credit=weighed,
            correct=outcome.correct,
            scored=outcome.scored,
            group_ids=outcome.group_ids,
            lengths=outcome.lengths,
        )
        columns = weight_columns(plus, minus, own)
        return weighed, {
            **metrics,
            **rule_metrics,
            **({} if weights is None else token_weight_metrics(credit(1.0, 1.0, None), alone, weights.mask)),
            **{name: Sum(total=float(values.sum()), count=len(values)) for name, values in columns.items()},
            **{f"controller_{name}": Sum(total=value, count=1.0) for name, value in controller.report().items()},
            **task_type_metrics(kinds, outcome, weighed, plus, minus, own),
        }

    return assign


def _over_processes(measured: Mapping[str, StepStatistics]) -> dict[str, StepStatistics]:
    everywhere: list[Mapping[str, StepStatistics]] = gather_object([dict(measured)])
    totals: dict[str, StepStatistics] = {}
    for own in everywhere:
        for kind, statistics in own.items():
            totals[kind] = totals[kind] + statistics if kind in totals else statistics
    return totals


def select_rows(outcome: Outcome, credit: Credit, name: str, *, terms: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that count and rows that are trained on.

    A group of which the filter keeps nothing is no part of any mini-batch, so it makes no update; of the other groups every scored
    row counts in the denominators. What is kept is trained on where it has a gradient: with credit, or under a KL or entropy term.
    """
    keep = keep_rows(credit, outcome.scored, outcome.group_ids, outcome.rewards, name)
    rows = torch.nonzero(outcome.scored & torch.isin(outcome.group_ids, outcome.group_ids[keep])).flatten()
    signed = credit.signed if credit.signed.ndim == 1 else credit.signed.any(dim=1)
    return rows, (keep if terms else keep & signed)[rows]

"""A step's credit, composed: rule, emphasis, controller, token weights, cap; and which of its rows the learner gets.

This is what every driver calls. It knows neither the run file nor how processes talk: it gets its parts and a `World`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterpoise.credit.advantages import Stateful, StepRule
from counterpoise.credit.by_task_type import credit_columns, task_type_metrics, weight_columns
from counterpoise.credit.controllers import Controller, StepStatistics, lambdas_for_rows, step_statistics
from counterpoise.credit.emphasis import Emphasis
from counterpoise.credit.filters import keep_rows
from counterpoise.credit.groups import group_statistics
from counterpoise.credit.rules.base import SignWeights
from counterpoise.credit.signed import signed
from counterpoise.credit.token_weights import (
    TokenWeight,
    TokenWeights,
    Unweighted,
    token_context,
    token_weight_metrics,
)
from counterpoise.lazy import torch
from counterpoise.types import Batch, Credit, Sum
from counterpoise.world import ALONE, World

__all__ = ["CreditStep"]

_UNWEIGHTED = Unweighted()
_NEUTRAL = SignWeights()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditStep:
    """From a step's batch to its signed credit and its columns.

    The rule runs once. The controller sees the masses that its advantages have at both lambdas = 1, token weights included, summed over
    all processes; what it decides weighs the same advantages.
    """

    rule: StepRule
    """What gives a step its advantages."""
    controller: Controller
    """Sets the two lambdas."""
    emphasis: Emphasis | None = None
    """Weight of each group; None is 1."""
    token_weight: TokenWeight = _UNWEIGHTED
    """Weights of tokens; `Unweighted` leaves credit by rollout."""
    all_wrong_cap: float | None = None
    """Largest share of the negative mass that all-wrong groups may carry; None means no cap."""
    row_filter: str = "zero_credit"
    """Rows that are kept, by name (`filters.FILTERS`)."""
    terms: bool = False
    """Whether the loss has a KL or entropy term, so that rows without credit have a gradient."""
    kinds: Sequence[str] = ()
    """Task types of the run; with more than one, each gets columns of its own."""
    own: SignWeights = _NEUTRAL
    """Weights that the rule has put on the two signs already, for the columns that say what each really weighs."""
    world: World = ALONE
    """The processes that share the step."""

    @property
    def needs_entropy(self) -> bool:
        """Whether the sampler has to record entropies."""
        return self.token_weight.needs_entropy

    @property
    def states(self) -> Mapping[str, Stateful]:
        """What goes through the checkpoint, by name."""
        return {"controller": self.controller, **self.rule.states}

    def __call__(self, batch: Batch) -> tuple[Credit, dict[str, Sum]]:
        """Credit of the batch and its columns, as (sum, count) pairs that add up over processes; every process must call it.

        Raises:
            UsageError: shapes do not fit, or the sampler did not record what token weights read.
            DataError: a scored rollout has a reward that is not finite or is outside the rule's range.
            TrainingError: a credit is not finite.
        """
        statistics = group_statistics(batch.correct, batch.scored, batch.group_ids, batch.rewards)
        advantages = self.rule.advantages(batch, statistics, self.world)
        weights = self._token_weights(batch)

        def credit(plus: float | torch.Tensor, minus: float | torch.Tensor, u: TokenWeights | None) -> Credit:
            return signed(
                advantages.values,
                scored=batch.scored,
                statistics=statistics,
                emphasis=self.emphasis,
                lambda_plus=plus,
                lambda_minus=minus,
                token_weights=u,
                all_wrong_cap=self.all_wrong_cap,
                world=self.world,
            )

        alone = credit(1.0, 1.0, weights)
        lambdas = self.controller.update(self._everywhere(step_statistics(alone, batch)))
        plus, minus = lambdas_for_rows(lambdas, batch.task_types)
        weighed = credit(plus, minus, weights)
        columns = weight_columns(plus, minus, self.own)
        return weighed, {
            **self.columns(weighed, batch),
            **advantages.metrics,
            **({} if weights is None else token_weight_metrics(credit(1.0, 1.0, None), alone, weights.mask)),
            **{name: Sum(total=float(values.sum()), count=len(values)) for name, values in columns.items()},
            **{f"controller_{name}": Sum(total=value, count=1.0) for name, value in self.controller.report().items()},
            **task_type_metrics(self.kinds, batch, plus, minus, self.own),
        }

    def columns(self, credit: Credit, batch: Batch) -> dict[str, Sum]:
        """What describes the credit itself, as a whole and by task type: taken again where something changed it."""
        return credit_columns(self.kinds, credit, batch)

    def select(self, batch: Batch, credit: Credit) -> tuple[torch.Tensor, torch.Tensor]:
        """(M,) indices of the rows that count and (M,) bool of those that are trained on.

        A group of which the filter keeps nothing is not part of any mini-batch, so it makes no update; of the other groups every scored
        row counts in the denominators. What is kept is trained on where it has a gradient: with credit, or under a KL or entropy term.
        """
        keep = keep_rows(credit, batch.scored, batch.group_ids, batch.rewards, self.row_filter)
        rows = torch.nonzero(batch.scored & torch.isin(batch.group_ids, batch.group_ids[keep])).flatten()
        return rows, (keep if self.terms else keep & credit.nonzero_rows)[rows]

    def _token_weights(self, batch: Batch) -> TokenWeights | None:
        return (
            None if isinstance(self.token_weight, Unweighted) else self.token_weight(token_context(batch, self.world))
        )

    def _everywhere(self, measured: Mapping[str, StepStatistics]) -> dict[str, StepStatistics]:
        totals: dict[str, StepStatistics] = {}
        for own in self.world.gather([dict(measured)]):
            for kind, statistics in own.items():
                totals[kind] = totals[kind] + statistics if kind in totals else statistics
        return totals

"""The rule of a step: most rules are the same at every one, some need more of its rollouts than rewards and statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from accelerate.utils import gather_object

from counterpoise.config import CreditConfig
from counterpoise.credit import GroupStatistics, Rule, make_parts_rule
from counterpoise.credit.rules.gdpo import gdpo
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.credit.threshold import MovingThreshold
from counterpoise.errors import DataError
from counterpoise.pipeline import Outcome
from counterpoise.types import Sum

__all__ = ["AtMovingThreshold", "FromParts", "Given", "RuleOf", "Stateful", "always", "sums_over_processes"]

RuleOf = Callable[[Outcome], tuple[Rule, Mapping[str, Sum]]]
"""The rule of a step's outcome, and what was measured on the way to it."""


class Stateful(Protocol):
    """What a rule carries from step to step; it goes through the checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        ...

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from `state_dict()`'s result; None where the checkpoint has none."""
        ...


def always(rule: Rule) -> RuleOf:
    """The same rule at every step."""
    return lambda outcome: (rule, {})


class Given:
    """A rule whose advantages are known."""

    def __init__(self, advantages: torch.Tensor) -> None:
        """(N,) or (N, T) advantages of the one batch it is for."""
        self._advantages = advantages

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """The advantages."""
        return self._advantages


class FromParts:
    """Rule `gdpo`: the graded parts of the verdicts -> advantages as a rule."""

    def __init__(self, credit: CreditConfig) -> None:
        """Check the settings.

        Raises:
            ConfigError: a setting of the rule is unknown or out of range.
        """
        self._rule = make_parts_rule(credit.rule, **credit.settings)

    def __call__(self, outcome: Outcome) -> tuple[Rule, Mapping[str, Sum]]:
        """A rule that gives these rollouts their advantages, and of each dimension the share of scored rollouts it has credit for.

        Raises:
            DataError: a right answer has none of the dimensions.
        """
        names = tuple(self._rule.dimensions)
        unknown = torch.full_like(outcome.rewards, math.nan)
        parts = torch.stack([outcome.parts.get(name, unknown) for name in names], dim=1)
        if bool((parts.isnan().all(dim=1) & outcome.correct & outcome.scored).any()):
            raise DataError(
                f"credit.rule gdpo: an answer was called right and has none of the dimensions {', '.join(names)} (the step's parts: "
                f"{', '.join(sorted(outcome.parts)) or 'none'}); name the verifier's parts, or add the dimension verdict"
            )
        advantages, terms = gdpo(
            parts,
            outcome.scored,
            outcome.group_ids,
            rule=self._rule,
            lengths=outcome.lengths,
            add=sums_over_processes,
        )
        scored = float(outcome.scored.sum())
        active = (terms != 0).sum(dim=0).tolist()
        return Given(advantages), {
            f"active/{name}": Sum(total=float(rows), count=scored) for name, rows in zip(names, active, strict=True)
        }


class AtMovingThreshold:
    """Rule `hinge` with `threshold = "ema"`: tau from the steps before, kept for each task type over all processes."""

    def __init__(self, rule: Hinge) -> None:
        """Start without a past."""
        self._rule = rule
        self._threshold = MovingThreshold(rule)

    def __call__(self, outcome: Outcome) -> tuple[Rule, Mapping[str, Sum]]:
        """The rule at this step's thresholds, and the column `tau/TYPE` of each task type; the averages have then moved on."""
        taus = self._threshold.update(_rewards_by_type(outcome))
        tau = torch.tensor([taus[kind] for kind in outcome.task_types], dtype=torch.float64)
        return self._rule.at(tau), {f"tau/{kind}": Sum(total=value, count=1.0) for kind, value in taus.items()}

    def state_dict(self) -> dict[str, Any]:
        """The averages'."""
        return self._threshold.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint's.

        Raises:
            CheckpointError: it has none.
        """
        self._threshold.load_state_dict(state)


def _rewards_by_type(outcome: Outcome) -> dict[str, Sum]:
    """Sum and number of the scored rewards of each task type, over all processes."""
    own: dict[str, list[float]] = {kind: [] for kind in sorted(set(outcome.task_types))}
    rows = zip(outcome.task_types, outcome.rewards.tolist(), outcome.scored.tolist(), strict=True)
    for kind, reward, scored in rows:
        if scored:
            own[kind].append(reward)
    totals: dict[str, Sum] = {}
    for sums in gather_object([{kind: (math.fsum(values), len(values)) for kind, values in own.items()}]):
        for kind, (total, count) in sums.items():
            totals[kind] = totals.get(kind, Sum(total=0.0, count=0.0)) + Sum(total=total, count=count)
    return totals


def sums_over_processes(values: Sequence[float]) -> list[float]:
    """Each sum over all processes; every process must call it."""
    return [math.fsum(column) for column in zip(*gather_object([list(values)]), strict=True)]

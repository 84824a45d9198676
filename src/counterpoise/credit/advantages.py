"""The advantages of one step: most rules read rewards and group statistics, some need more of the batch, or a past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.base import Rule
from counterpoise.lazy import torch
from counterpoise.types import Batch, Sum
from counterpoise.world import World

__all__ = ["Advantages", "EveryStep", "MakesStepRule", "Stateful", "StepRule", "step_rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advantages:
    """What a rule says of N rollouts, before emphasis, lambdas and token weights."""

    values: torch.Tensor
    """(N,) or (N, T) signed; what unscored rows hold does not matter."""
    metrics: Mapping[str, Sum] = field(default_factory=dict)
    """What was measured on the way."""


class Stateful(Protocol):
    """What is carried from step to step and goes through the checkpoint: rules with a past, and controllers."""

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        ...

    def load_state_dict(self, state: Any) -> None:
        """Go on from `state_dict()`'s result; None where the checkpoint has none.

        Raises:
            CheckpointError: there is none, or it belongs to something else.
        """
        ...


class StepRule(Protocol):
    """A rule as a step calls it: once, with the whole batch of this process."""

    @property
    def states(self) -> Mapping[str, Stateful]:
        """What it carries from step to step, by its name in a checkpoint."""
        ...

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """The advantages of the batch; every process must call it."""
        ...


@runtime_checkable
class MakesStepRule(Protocol):
    """A rule's settings from which its step form is made, because a step needs more than `Rule` sees."""

    def for_steps(self) -> StepRule:
        """The rule as a step calls it, at the start of a run.

        Raises:
            UsageError: only a driver can make it (a rule with a critic).
        """
        ...


class EveryStep:
    """A function of rewards and group statistics, the same at every step."""

    states: Mapping[str, Stateful] = MappingProxyType({})

    def __init__(self, rule: Rule) -> None:
        """Keep the rule."""
        self._rule = rule

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """The rule's."""
        return Advantages(values=self._rule(batch.rewards, statistics))


def step_rule(rule: Rule | MakesStepRule) -> StepRule:
    """`rule` as a step calls it."""
    return rule.for_steps() if isinstance(rule, MakesStepRule) else EveryStep(rule)

"""The place where something may act on the balance: measured statistics in, two lambdas per task type out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import Sum

__all__ = ["Controller", "Lambdas", "StepStatistics", "lambdas_for_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatistics:
    """What was measured on one step's rollouts of one task type, as sums: add those of every process before `update`."""

    scored: float
    """Scored rollouts."""
    correct: float
    """Correct rollouts."""
    groups: float
    """Groups with at least one scored rollout."""
    solved_groups: float
    """Groups with at least one success."""
    plus_mass: float
    """W+: positive token mass at both lambdas = 1."""
    minus_mass: float
    """W-: negative token mass at both lambdas = 1."""
    entropy: Sum
    """Token entropy in nats, summed over tokens, and the tokens; count 0 when it was not measured."""

    @property
    def success_rate(self) -> float:
        """Correct over scored rollouts; NaN without any."""
        return Sum(total=self.correct, count=self.scored).mean

    @property
    def coverage(self) -> float:
        """Share of groups with at least one success; NaN without any."""
        return Sum(total=self.solved_groups, count=self.groups).mean

    def __add__(self, other: StepStatistics) -> StepStatistics:
        return StepStatistics(
            scored=self.scored + other.scored,
            correct=self.correct + other.correct,
            groups=self.groups + other.groups,
            solved_groups=self.solved_groups + other.solved_groups,
            plus_mass=self.plus_mass + other.plus_mass,
            minus_mass=self.minus_mass + other.minus_mass,
            entropy=self.entropy + other.entropy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lambdas:
    """The two weights of one task type."""

    plus: float
    """Weight of the positive part, >= 0."""
    minus: float
    """Weight of the negative part, >= 0."""


class Controller(Protocol):
    """Sets the two lambdas of every task type from what was measured; its state is part of a checkpoint."""

    reads_entropy: ClassVar[bool]
    """Whether it reads `StepStatistics.entropy`, which an engine that does not sample has to measure."""

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Called once per step with the step's statistics by task type, before its credit is weighed.

        Every key of `statistics` has its entry in the result. Must be deterministic: every process calls it with the same sums.
        """
        ...

    def report(self) -> Mapping[str, float]:
        """What the last `update` decided and on what, by name; `name/task_type` for what differs between task types.

        NaN stands for what is not known yet. The two lambdas are not repeated: every run records them.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything `update` depends on beside its argument, as JSON-serialisable values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`'s result."""
        ...


def lambdas_for_rows(lambdas: Mapping[str, Lambdas], task_types: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) float64 `lambda_plus` and `lambda_minus` of rollouts with these task types.

    Raises:
        UsageError: a task type has no lambdas.
    """
    missing = sorted(set(task_types) - set(lambdas))
    if missing:
        raise UsageError(
            f"no lambdas for the task type '{missing[0]}'; the controller gave: {', '.join(sorted(lambdas))}"
        )
    plus = torch.tensor([lambdas[kind].plus for kind in task_types], dtype=torch.float64)
    minus = torch.tensor([lambdas[kind].minus for kind in task_types], dtype=torch.float64)
    return plus, minus

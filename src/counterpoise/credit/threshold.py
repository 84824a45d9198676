"""The threshold of rule `hinge` as a moving average over steps of each task type's mean reward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.credit.advantages import Advantages, Stateful
from counterpoise.credit.groups import GroupStatistics
from counterpoise.errors import CheckpointError
from counterpoise.lazy import torch
from counterpoise.types import Batch, Sum
from counterpoise.world import World

if TYPE_CHECKING:
    from counterpoise.credit.rules.hinge import Hinge

__all__ = ["AtMovingThreshold", "MovingThreshold"]


class MovingThreshold:
    """`m_k <- s m_k + (1 - s) mean_k` after each step, and `tau_k = clip(m_k, low + margin (high - low), high - margin (high - low))`.

    mean_k is the mean reward of the step's scored rollouts of task type k over all processes, s the smoothing. The tau of a step comes
    from the steps before it, so that no rollout moves the threshold it is held against. A task type's first step has none before it:
    there tau is `start`, or the step's own mean if there is no start, because the middle of the range says nothing about a task whose
    rewards are all near one end. The margin keeps tau strictly inside the range, where rewards at its ends have full credit whatever
    tau is. A step without scored rollouts of a type leaves its average.
    """

    def __init__(self, rule: Hinge) -> None:
        """Take `low`, `high`, `tau` (the start), `smoothing` and `margin` from the rule."""
        self._rule = rule
        self._means: dict[str, float] = {}

    def update(self, rewards: Mapping[str, Sum]) -> dict[str, float]:
        """The tau of this step for every task type of it and of the steps before; the same in every process for the same sums.

        Args:
            rewards: by task type, the sum of the scored rollouts' rewards and how many they are.
        """
        rule = self._rule
        before = dict(self._means)
        for kind, own in sorted(rewards.items()):
            if rule.tau is not None:
                before.setdefault(kind, rule.tau)
            if own.count:
                old = before.setdefault(kind, own.mean)
                self._means[kind] = rule.smoothing * old + (1.0 - rule.smoothing) * own.mean
        # A type whose first step had nothing scored has no rollout to hold against its threshold.
        middle = (rule.low + rule.high) / 2.0
        return {kind: self._inside(before.get(kind, middle)) for kind in sorted({*before, *rewards})}

    def state_dict(self) -> dict[str, Any]:
        """The averages, exactly."""
        return {"means": dict(self._means)}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from `state_dict()`'s result.

        Raises:
            CheckpointError: the checkpoint has none.
        """
        if state is None or set(state) != {"means"}:
            raise CheckpointError(
                "the checkpoint holds no moving threshold; resume a run of credit.settings.threshold=ema from its own checkpoints"
            )
        self._means = dict(state["means"])

    def _inside(self, mean: float) -> float:
        rule = self._rule
        room = rule.margin * (rule.high - rule.low)
        return min(max(mean, rule.low + room), rule.high - room)


class AtMovingThreshold:
    """Rule `hinge` with `threshold = "ema"` as a step calls it."""

    def __init__(self, rule: Hinge) -> None:
        """Start without a past."""
        self._rule = rule
        self._threshold = MovingThreshold(rule)

    @property
    def states(self) -> Mapping[str, Stateful]:
        """The averages."""
        return {"threshold": self._threshold}

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """The rule's at this step's thresholds, and the column `tau/TYPE` of each task type; the averages have then moved on."""
        taus = self._threshold.update(_rewards_by_type(batch, world))
        tau = torch.tensor([taus[kind] for kind in batch.task_types], dtype=torch.float64)
        return Advantages(
            values=self._rule.at(tau)(batch.rewards, statistics),
            metrics={f"tau/{kind}": Sum(total=value, count=1.0) for kind, value in taus.items()},
        )


def _rewards_by_type(batch: Batch, world: World) -> dict[str, Sum]:
    """Sum and number of the scored rewards of each task type, over all processes."""
    own = {}
    for kind, rows in batch.by_task_type().items():
        rewards = batch.rewards[rows[batch.scored[rows]]].tolist()
        own[kind] = Sum(total=math.fsum(rewards), count=len(rewards))
    totals: dict[str, Sum] = {}
    for sums in world.gather([own]):
        for kind, value in sums.items():
            totals[kind] = totals.get(kind, Sum(total=0.0, count=0.0)) + value
    return totals

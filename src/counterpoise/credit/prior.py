"""The prior of rule `area` as it moves with the steps: fitted to the counts of the steps before, for each task type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.credit.advantages import Advantages, Stateful
from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.posterior import BetaPrior, fit_prior
from counterpoise.errors import CheckpointError
from counterpoise.lazy import torch
from counterpoise.types import Batch, Sum
from counterpoise.world import World

if TYPE_CHECKING:
    from counterpoise.credit.rules.area import Area

__all__ = ["AtMovingPrior", "MovingPrior"]

_GroupCounts = Mapping[tuple[int, int], float]

_FORGOTTEN = 1e-3


class MovingPrior:
    """`h_k <- s h_k + counts_k` after each step, and the Beta(a, b) of a step is `fit_prior(h_k)` of the steps before it.

    h_k holds, for task type k, how many groups had n scored rollouts and c successes, s the smoothing, so that about 1 / (1 - s)
    steps count. No rollout has a part in the prior it is judged by, which would bias its gradient. A type's first step has the rule's
    own a and b.
    """

    def __init__(self, rule: Area) -> None:
        """Take `a`, `b` and `smoothing` from the rule."""
        self._rule = rule
        self._counts: dict[str, dict[tuple[int, int], float]] = {}

    def update(self, counts: Mapping[str, _GroupCounts]) -> dict[str, BetaPrior]:
        """The priors of this step for its task types; then its counts are taken in. The same in every process for the same counts."""
        start = BetaPrior(a=self._rule.a, b=self._rule.b)
        priors = {kind: fit_prior(self._counts.get(kind, {}), start) for kind in sorted(counts)}
        for kind, own in counts.items():
            if not own:
                continue
            kept = {key: self._rule.smoothing * weight for key, weight in self._counts.get(kind, {}).items()}
            for key, weight in own.items():
                kept[key] = kept.get(key, 0.0) + weight
            self._counts[kind] = {key: weight for key, weight in sorted(kept.items()) if weight > _FORGOTTEN}
        return priors

    def state_dict(self) -> dict[str, Any]:
        """The counts, exactly: for each task type a list of [n, c, weight]."""
        return {
            "counts": {kind: [[n, c, weight] for (n, c), weight in own.items()] for kind, own in self._counts.items()}
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from `state_dict()`'s result.

        Raises:
            CheckpointError: the checkpoint has none.
        """
        if state is None or set(state) != {"counts"}:
            raise CheckpointError(
                "the checkpoint holds no counts for the prior; resume a run of credit.rule=area with credit.settings.prior=moving "
                "from its own checkpoints"
            )
        self._counts = {
            kind: {(int(n), int(c)): float(weight) for n, c, weight in own} for kind, own in state["counts"].items()
        }


class AtMovingPrior:
    """Rule `area` with `prior = "moving"` as a step calls it."""

    def __init__(self, rule: Area) -> None:
        """Start without a past."""
        self._rule = rule
        self._prior = MovingPrior(rule)

    @property
    def states(self) -> Mapping[str, Stateful]:
        """The counts."""
        return {"prior": self._prior}

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """The rule's under this step's priors, and columns `prior_mean/TYPE`, `prior_strength/TYPE`; the counts have then moved on."""
        priors = self._prior.update(_counts_by_type(batch, statistics, world))
        a = torch.tensor([priors[kind].a for kind in batch.task_types], dtype=torch.float64)
        b = torch.tensor([priors[kind].b for kind in batch.task_types], dtype=torch.float64)
        metrics = {}
        for kind, prior in priors.items():
            strength = prior.a + prior.b
            metrics[f"prior_mean/{kind}"] = Sum(total=prior.a / strength, count=1.0)
            metrics[f"prior_strength/{kind}"] = Sum(total=strength, count=1.0)
        return Advantages(values=self._rule.under(a, b, statistics), metrics=metrics)


def _counts_by_type(batch: Batch, statistics: GroupStatistics, world: World) -> dict[str, dict[tuple[int, int], float]]:
    """How many groups of each task type had n scored rollouts and c successes, over all processes."""
    firsts = {int(group): row for row, group in reversed(list(enumerate(statistics.group.tolist())))}
    n, c = statistics.n.tolist(), statistics.c.tolist()
    own: dict[str, dict[tuple[int, int], float]] = {kind: {} for kind in sorted(set(batch.task_types))}
    for row in firsts.values():
        if n[row]:
            counts, key = own[batch.task_types[row]], (int(n[row]), int(c[row]))
            counts[key] = counts.get(key, 0.0) + 1.0
    totals: dict[str, dict[tuple[int, int], float]] = {}
    for theirs in world.gather([own]):
        for kind, counts in theirs.items():
            total = totals.setdefault(kind, {})
            for key, groups in counts.items():
                total[key] = total.get(key, 0.0) + groups
    return totals

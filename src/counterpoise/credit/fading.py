"""Rule `fade` as a step calls it: solve rate and entropy as moving averages over steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterpoise.credit.advantages import Advantages, Stateful
from counterpoise.credit.groups import GroupStatistics
from counterpoise.errors import CheckpointError
from counterpoise.types import Batch, Sum
from counterpoise.world import World, add

if TYPE_CHECKING:
    from counterpoise.credit.rules.fade import Fade

__all__ = ["Averages", "Fading"]

_NAMES = ("rate", "entropy", "first")


class Averages:
    """`P <- s P + (1 - s) P_step`, the same for H; the first step with a value of one begins it."""

    def __init__(self, smoothing: float) -> None:
        """Start without a past."""
        self._smoothing = smoothing
        self.rate: float | None = None
        self.entropy: float | None = None
        self.first: float | None = None

    def update(self, success: Sum, entropy: Sum) -> None:
        """Take one step's sums over all processes in; a count of 0 moves nothing."""
        if success.count:
            self.rate = self._moved(self.rate, success.mean)
        if entropy.count:
            self.entropy = self._moved(self.entropy, entropy.mean)
            self.first = entropy.mean if self.first is None else self.first

    def _moved(self, old: float | None, new: float) -> float:
        return new if old is None else self._smoothing * old + (1.0 - self._smoothing) * new

    def state_dict(self) -> dict[str, Any]:
        """The averages, exactly."""
        return {name: getattr(self, name) for name in _NAMES}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from `state_dict()`'s result.

        Raises:
            CheckpointError: the checkpoint has none.
        """
        if state is None or set(state) != set(_NAMES):
            raise CheckpointError(
                "the checkpoint holds no averages of solve rate and entropy; resume a run of credit.rule=fade from its own checkpoints"
            )
        self.rate, self.entropy, self.first = (state[name] for name in _NAMES)


class Fading:
    """The rule at this step's alpha and delta, this step taken in."""

    def __init__(self, rule: Fade) -> None:
        """Start without a past."""
        self._rule = rule
        self._averages = Averages(rule.smoothing)

    @property
    def states(self) -> Mapping[str, Stateful]:
        """The averages."""
        return {"averages": self._averages}

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """The rule's, and the columns `fade_alpha` and `fade_delta`; without recorded surprisals delta is 1."""
        own = [float(batch.correct[batch.scored].sum()), float(batch.scored.sum()), 0.0, 0.0]
        if batch.surprisal is not None:
            own[2:] = [float(batch.surprisal.double().sum()), float(batch.lengths.sum())]
        right, scored, surprisal, tokens = add(world, own)
        averages = self._averages
        averages.update(Sum(total=right, count=scored), Sum(total=surprisal, count=tokens))
        alpha = self._rule.alpha(1.0 if averages.rate is None else averages.rate)
        unknown = averages.entropy is None or averages.first is None
        delta = 1.0 if unknown else self._rule.delta(averages.entropy or 0.0, averages.first or 0.0)
        metrics = {"fade_alpha": Sum(total=alpha, count=1.0), "fade_delta": Sum(total=delta, count=1.0)}
        return Advantages(values=self._rule.at(alpha, delta, statistics), metrics=metrics)

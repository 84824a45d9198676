"""Which problems a step trains on: a function of seed and step alone, so that resuming needs no saved position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from counterpoise.errors import ConfigError
from counterpoise.streams import numpy_generator
from counterpoise.types import Problem

__all__ = ["ProblemOrder"]


class ProblemOrder:
    """Epochs of shuffled problems, cut into steps of `per_step`; a step may straddle two epochs.

    With weights every task type has epochs of its own, and a step holds its share of them: what the division leaves over is carried to
    the next step: the type furthest behind its weight is always next.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        per_step: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """Check the weights.

        Args:
            problems: all of them.
            per_step: problems of one step.
            seed: the run's.
            weights: > 0 by task type, relative to one another; None or empty draws every problem equally often.

        Raises:
            ConfigError: a task type of the problems has no weight, or a weight has no problems.
        """
        self._per_step = per_step
        kinds = sorted({problem.task_type for problem in problems}) if weights else [""]
        if weights and set(weights) != set(kinds):
            raise ConfigError(
                f"tasks.weights names {', '.join(sorted(weights))}, and the problems are of the types {', '.join(kinds)}; "
                "give every type its weight"
            )
        shares = [weights[kind] if weights else 1.0 for kind in kinds]
        self._shares = [share / sum(shares) for share in shares]
        self._epochs = [
            _Epochs([p for p in problems if not weights or p.task_type == kind], seed=seed, kind=kind) for kind in kinds
        ]
        self._drawn: list[list[int]] = [[0] * len(kinds)]

    def at(self, step: int) -> list[Problem]:
        """The problems of step `step`, counted from 0."""
        while len(self._drawn) <= step + 1:
            self._drawn.append(self._after(len(self._drawn) * self._per_step))
        before, after = self._drawn[step], self._drawn[step + 1]
        return [
            epochs.problem(position)
            for epochs, first, last in zip(self._epochs, before, after, strict=True)
            for position in range(first, last)
        ]

    def _after(self, total: int) -> list[int]:
        """Problems of each kind among the first `total`: the one furthest behind its share is next, time and again."""
        drawn = list(self._drawn[-1])
        for count in range(sum(drawn) + 1, total + 1):
            behind = [share * count - own for share, own in zip(self._shares, drawn, strict=True)]
            drawn[behind.index(max(behind))] += 1
        return drawn


class _Epochs:
    """Endless epochs of some problems, each a fresh permutation."""

    def __init__(self, problems: Sequence[Problem], *, seed: int, kind: str) -> None:
        self._problems, self._seed, self._kind = problems, seed, kind
        self._epoch: tuple[int, npt.NDArray[np.int64]] | None = None

    def problem(self, position: int) -> Problem:
        epoch, offset = divmod(position, len(self._problems))
        if self._epoch is None or self._epoch[0] != epoch:
            # One kind of problems keeps the stream that runs without weights have always had.
            name = ("order", self._kind, epoch) if self._kind else ("order", epoch)
            self._epoch = (epoch, numpy_generator(self._seed, *name).permutation(len(self._problems)))
        return self._problems[int(self._epoch[1][offset])]

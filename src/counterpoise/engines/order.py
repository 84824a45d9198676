"""Which problems a step trains on: a function of seed and step alone, so that resuming needs no saved position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from counterpoise.streams import numpy_generator
from counterpoise.types import Problem

__all__ = ["ProblemOrder"]


class ProblemOrder:
    """Epochs of shuffled problems, cut into steps of `per_step`; a step may straddle two epochs."""

    def __init__(self, problems: Sequence[Problem], *, per_step: int, seed: int) -> None:
        self._problems = problems
        self._per_step = per_step
        self._seed = seed
        self._epoch: tuple[int, npt.NDArray[np.int64]] | None = None

    def at(self, step: int) -> list[Problem]:
        """The problems of step `step`, counted from 0."""
        first = step * self._per_step
        return [self._problem(position) for position in range(first, first + self._per_step)]

    def _problem(self, position: int) -> Problem:
        epoch, offset = divmod(position, len(self._problems))
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, numpy_generator(self._seed, "order", epoch).permutation(len(self._problems)))
        return self._problems[int(self._epoch[1][offset])]

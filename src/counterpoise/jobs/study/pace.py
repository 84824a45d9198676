"""How long the rest of a grid will take, from the cells that this process has finished."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoise.config import RunConfig
from counterpoise.engines.local.messages.outlook import evaluations_to_come

__all__ = ["TimeLeft", "work_left"]

_TRAINED = 4.0
"""Rollouts of an evaluation that take as long as one that is trained on: three quarters of a step on the lab are the learner."""
_PROBLEMS = 200
"""Test problems where `evaluation.problems` takes all of them, whose number is not known here."""


def work_left(config: RunConfig, done: int) -> float:
    """Rollouts that a run has before it after `done` steps; one that is trained on counts as four that are evaluated."""
    evaluation, rollout = config.evaluation, config.rollout
    trained = max(0, config.learner.steps - done) * rollout.prompts_per_step * rollout.group_size
    evaluated = evaluations_to_come(config, done) * (evaluation.problems or _PROBLEMS) * evaluation.n
    return _TRAINED * trained + evaluated


class TimeLeft:
    """Seconds for a unit of `work_left`, by bed: beds differ in model and length of responses."""

    def __init__(self) -> None:
        self._by_bed: dict[str, tuple[float, float]] = {}

    def finished(self, bed: str, config: RunConfig, *, done: int, seconds: float) -> None:
        """Note that a run which had done `done` steps was finished in so many seconds."""
        work, spent = self._by_bed.get(bed, (0.0, 0.0))
        self._by_bed[bed] = work + work_left(config, done), spent + seconds

    def left(self, runs: Sequence[tuple[str, RunConfig, int]], *, jobs: int = 1) -> float | None:
        """Seconds for runs given as (bed, settings, steps done), `jobs` at a time; None before anything was finished.

        A bed of which nothing was finished goes at the mean pace of the others. No run is faster than itself, however many go at a time.
        """
        work, spent = (sum(one[i] for one in self._by_bed.values()) for i in (0, 1))
        if not work:
            return None
        each = []
        for bed, config, done in runs:
            of_bed = self._by_bed.get(bed, (work, spent))
            each.append(work_left(config, done) * of_bed[1] / of_bed[0])
        return max(sum(each) / jobs, max(each, default=0.0))

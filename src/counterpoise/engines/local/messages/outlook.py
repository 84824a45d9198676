"""How long a run will take, from its first step and the evaluation before it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from counterpoise.config import RunConfig
from counterpoise.text import counted, lasting

__all__ = ["Outlook", "evaluations_to_come"]


def evaluations_to_come(config: RunConfig, step: int) -> int:
    """Evaluations of a run that has done `step` steps and none of that step."""
    wanted, steps = config.evaluation, config.learner.steps
    before = int(wanted.before and step == 0)
    during = max(0, (steps - 1) // wanted.every - step // wanted.every) if wanted.every else 0
    return before + during + int(wanted.after)


class Outlook:
    """Says once, after the first step, how long the rest will take.

    What a look of the diagnostics costs is spread over the steps between two of them. Evaluations last as long as the one before training
    did, where this process made one, and else as long a rollout as those of the step.
    """

    def __init__(self, config: RunConfig, *, problems: int) -> None:
        """`problems` are those of one evaluation."""
        self._config = config
        self._rollouts = problems * config.evaluation.n
        self._per_rollout: float | None = None
        self._said = False
        self._since: tuple[float, int] | None = None

    def evaluating(self, done: int, total: int) -> None:
        """`done` of `total` rollouts of an evaluation are there; those that were there at the first call are not counted."""
        now = time.monotonic()
        if self._since is None:
            self._since = now, done
        elif done == total and done > self._since[1]:
            self._per_rollout = (now - self._since[0]) / (done - self._since[1])
            self._since = None

    def after_step(self, step: int, record: Mapping[str, float]) -> str | None:
        """The sentence, after the first step that this process makes; None after the others.

        Args:
            step: steps that are done.
            record: columns of the step.
        """
        if self._said:
            return None
        self._said = True
        left = self._config.learner.steps - step
        every = self._config.diagnostics.every
        looks = record["seconds_diagnostics"] * (1.0 - 1.0 / every if every else 0.0)
        each = max(0.0, record["seconds"] - looks)
        drawn = self._config.rollout.prompts_per_step * self._config.rollout.group_size
        sampling = (record["seconds_sample"] + record["seconds_verify"]) / drawn
        times = evaluations_to_come(self._config, step)
        measuring = times * self._rollouts * (sampling if self._per_rollout is None else self._per_rollout)
        said = f"a step takes about {lasting(each)}"
        if left:
            said += f": {lasting(left * each)} for the {counted(left, 'step')} to come"
        if times and self._rollouts:
            said += f", {lasting(measuring)} for {counted(times, 'evaluation')}"
        return f"{said}, {lasting(left * each + measuring)} in all" if left or measuring else None

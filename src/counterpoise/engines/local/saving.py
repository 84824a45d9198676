"""What a run keeps of itself and when: checkpoints that are due, and the last step that was done when the next one could not be."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.engines.local.best import scored
from counterpoise.engines.local.guarding import saved_guards
from counterpoise.engines.local.policy import policy_writer
from counterpoise.engines.local.ready import Ready
from counterpoise.learner.checkpoint import Checkpoint, CheckpointStore, Score
from counterpoise.processes import anywhere, is_main, on_main
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.identity import Identity

__all__ = ["Saves"]


class Saves:
    """The checkpoints of a run in progress.

    Args:
        run: its directory.
        checkpoints: where they are.
        ready: what is saved: policy, learner, and what credit assignment carries from step to step.
        guards: saved with it; a checkpoint that they find healthy is their next good one.
        identity: what the run is, as its files have it.
        best_by: the column of the best checkpoint (`score_by`).
        say: takes a line of what happened.
    """

    def __init__(
        self,
        run: RunDirectory,
        checkpoints: CheckpointStore,
        ready: Ready,
        guards: Supervisor,
        identity: Identity,
        *,
        best_by: Score | None,
        say: Callable[[str], None],
    ) -> None:
        self._config, self._checkpoints, self._guards, self._say = run.config.checkpoint, checkpoints, guards, say
        self._policy, self._learner, self._assembly = ready.policy, ready.learner, ready.assembly
        self._best_by, self._texts = best_by, run.texts(identity)
        self._saved_at = time.monotonic()
        self._before: dict[str, Any] = {}
        self._updates: int | None = None

    def load(self, checkpoint: Checkpoint) -> Mapping[str, Any]:
        """Take learner and credit back to a checkpoint; the guards' state in it."""
        state = checkpoint.state()
        self._learner.load_state_dict(state["learner"])
        for name, part in self._assembly.credit.states.items():
            part.load_state_dict(state.get(name))
        return saved_guards(state, self._guards)

    def step_begins(self) -> None:
        """Keep what a step changes before it is done; a critic is too large to be kept twice."""
        self._before = copy.deepcopy(self._parts()) if self._assembly.critic is None else {}
        self._updates = self._learner.updates

    def step_done(self) -> None:
        """Nothing of before the step is needed any more."""
        self._before, self._updates = {}, None

    def due(self, step: int) -> bool:
        """Whether `checkpoint.every_steps` or `checkpoint.every_minutes` asks for one; every process must call it."""
        every, minutes = self._config.every_steps, self._config.every_minutes
        by_step = bool(every) and step % every == 0
        # Clocks differ between processes, and saving is something all of them must do together.
        return anywhere(by_step or (minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes))

    def save(self, step: int, record: Mapping[str, float]) -> Checkpoint:
        """Write a checkpoint; every process must call it.

        Args:
            step: steps that are done.
            record: the last one's metrics.

        Raises:
            StoreError: the disk is full.
        """
        if self._guards.healthy:
            self._guards.good = step
        checkpoint = on_main(lambda: self._write(step, record))
        self._saved_at = time.monotonic()
        return checkpoint

    def save_finished(self, step: int) -> None:
        """After a step that could not be done, keep the steps before it, where no weight has moved since: the main process alone."""
        begun = self._updates is not None
        moved = begun and (self._updates != self._learner.updates or self._assembly.critic)
        if moved or not is_main() or not step or step in self._checkpoints.steps():
            return
        with suppress(Exception):  # whatever ended the step is the news
            self._write(step, {})
            self._say(f"saved after step {step}, the last one that was done")

    def _write(self, step: int, record: Mapping[str, float]) -> Checkpoint:
        return self._checkpoints.save(
            step,
            write_policy=policy_writer(self._policy),
            state={"step": step, "learner": self._learner.state_dict(), **self._parts(), **self._before}
            | {"guards": self._guards.state_dict()},
            texts=self._texts,
            score=scored(self._best_by, record),
            good=self._guards.good,
        )

    def _parts(self) -> dict[str, Any]:
        """What credit assignment carries from step to step, by its name in a checkpoint."""
        return {name: part.state_dict() for name, part in self._assembly.credit.states.items()}

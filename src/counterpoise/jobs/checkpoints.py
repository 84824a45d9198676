"""Several checkpoints of a run evaluated in one go; what is finished is not done again, and one that is damaged stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from counterpoise.errors import CheckpointError, ModelError, StoreError, UsageError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.jobs.evaluate import open_evaluator
from counterpoise.learner.checkpoint import CheckpointStore
from counterpoise.runs.directory import RunDirectory

__all__ = ["EvaluatedCheckpoint", "chosen_steps", "evaluate_checkpoints"]

_BASE = 0
"""Step of the model as it was before training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedCheckpoint:
    """One checkpoint's evaluation."""

    step: int
    """Training steps behind the weights; 0 is the model before training."""
    result: EvaluationResult | None
    """Its result; None when it could not be evaluated."""
    error: str | None = None
    """Why not."""
    reused: bool = False
    """Whether it had been finished before."""


def chosen_steps(run: RunDirectory, words: Sequence[str], *, say: Callable[[str], None]) -> list[int]:
    """The steps that `all`, `base`, `best`, `last` and numbers name, ascending, each once; `all` is the base and every checkpoint.

    Raises:
        UsageError: another word.
        CheckpointError: the run has no such checkpoint.
    """
    checkpoints = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=say)
    there = checkpoints.steps()
    chosen: set[int] = set()
    for word in words:
        if word == "all":
            chosen |= {_BASE, *there}
        elif word == "base":
            chosen.add(_BASE)
        elif word in ("best", "last"):
            found = checkpoints.best() if word == "best" else checkpoints.latest()
            if found is None:
                raise CheckpointError(f"{run.path} has no {word} checkpoint; {_named(there)}")
            chosen.add(found.step)
        elif word.isascii() and word.isdigit():
            if int(word) not in (_BASE, *there):
                raise CheckpointError(f"{run.path} has no checkpoint of step {int(word)}; {_named(there)}")
            chosen.add(int(word))
        else:
            raise UsageError(f"'{word}' chooses no checkpoint; write all, base, best, last or steps, e.g. base,100,200")
    return sorted(chosen)


def evaluate_checkpoints(
    run: RunDirectory,
    steps: Sequence[int],
    *,
    on_progress: Callable[[int, int, int], None] | None = None,
    say: Callable[[str], None],
) -> list[EvaluatedCheckpoint]:
    """Evaluate each step into its own store, `run.evaluation(step)`.

    Task and judge are made once, each model is read once. An evaluation that stands as it is asked for (same settings, problems, n, k and
    verifiers, no rollout missing) is read and nothing is drawn, so the same call goes on where another was interrupted. A checkpoint that
    is damaged, or whose store holds another evaluation, is reported in the list.

    Args:
        run: the run.
        steps: as `chosen_steps` gives them.
        on_progress: called with (step, rollouts drawn, of all).
        say: called with every damage.

    Raises:
        DataError, ConfigError: the task cannot be loaded.
    """
    run.refuse_missing("eval")
    checkpoints = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=say)
    made = []
    with open_evaluator(run.config, check=run.compare_test) as bench:
        for step in steps:
            finished = bench.standing(run.evaluation(step), step)
            if finished is not None:
                made.append(EvaluatedCheckpoint(step=step, result=finished, reused=True))
                continue
            try:
                result = bench.evaluate(
                    bench.load(None if step == _BASE else checkpoints.at(step).policy),
                    directory=run.evaluation(step),
                    step=step,
                    on_progress=_with_step(on_progress, step),
                    say=say,
                )
                made.append(EvaluatedCheckpoint(step=step, result=result))
            except (CheckpointError, ModelError, StoreError) as error:
                made.append(EvaluatedCheckpoint(step=step, result=None, error=str(error)))
    return made


def _with_step(on_progress: Callable[[int, int, int], None] | None, step: int) -> Callable[[int, int], None] | None:
    return None if on_progress is None else lambda done, total: on_progress(step, done, total)


def _named(steps: Sequence[int]) -> str:
    return f"steps there: {', '.join(map(str, steps)) or 'none'} (and base, the model before training)"

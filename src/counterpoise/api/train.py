"""`counterpoise.train`: a run from Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from counterpoise.api.data import Rows
from counterpoise.api.progress import tell, watching
from counterpoise.api.request import configured, kept_name, places
from counterpoise.api.results import Evaluated, Trained
from counterpoise.config import RunConfig
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.ended import last_step
from counterpoise.runs.identity import PLACE, changed_settings, pinned, told_changes

__all__ = ["train"]


def train(
    *,
    model: str | Path | None = None,
    task: str | None = None,
    rows: Rows | None = None,
    test_rows: Rows | None = None,
    reward: str | Callable[..., Any] | None = None,
    rule: str | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    directory: str | Path = "runs",
    progress: bool = True,
    **sections: Mapping[str, Any],
) -> Trained:
    """Train a policy and measure pass@k before and after.

    Called again with the same settings it goes on where it was interrupted, and gives back the finished run without training; with
    other settings it begins a run of its own, `NAME-2`, `NAME-3`, …, and says in one line what differs.

    Args:
        model: `lab`, `lab:weak`, a directory that `save_pretrained` wrote, or a hub id.
        task: name of a task, e.g. `countdown`.
        rows: problems of your own in its place: `{"question", "answer"}` and further columns; a list or a `datasets.Dataset`.
        test_rows: test problems beside them; a tenth of `rows`, chosen by content, otherwise.
        reward: name or import path of a verifier, or a function `fn(response, gold, *, question, meta)`: true or false, a number from
            0 to 1, which is right at 1 (`credit={"reward": "graded"}` takes the number itself), or None where it cannot say. A function
            of a notebook or of the program, and a lambda, are written down in `.python` with what they use, so that later commands
            find them.
        rule: credit rule, e.g. `psr`, `nsr`, `weighted_reinforce`, `grpo`.
        steps: training steps.
        learning_rate: of the optimiser.
        seed: of every random draw.
        name: of the run; MODEL-TASK-RULE otherwise.
        directory: parent of the runs; rows and functions are kept in `.python` in it.
        progress: show how far it is, in a terminal or a notebook.
        **sections: further settings by section of the run file (`counterpoise config`), e.g. `evaluation={"n": 64}`.

    Raises:
        UsageError, ConfigError, DataError, ModelError: what cannot be as it was given, in one line; nothing was begun.
        TrainingError: a step was refused, or guards stopped it; everything is kept.
        RunInterruptedError: Ctrl-C; the run saved itself, and the same call goes on.
    """
    own = {
        "credit.rule": rule,
        "learner.steps": steps,
        "learner.learning_rate": learning_rate,
        "run.seed": seed,
        "run.name": name,
    }
    config = configured(
        model=model,
        task=task,
        rows=rows,
        test_rows=test_rows,
        reward=reward,
        directory=Path(directory),
        sections=sections,
        own=own,
        trains=True,
    )
    if "name" not in config.run.model_fields_set:
        config = config.changed(run={"name": _name(config)})
    config, began = _placed(config, progress=progress)
    if began and (done := _finished(config)) is not None:
        tell(f"{config.path} is finished; this is what it found", progress=progress)
        return done
    return _run(config, began=began, progress=progress)


def _run(config: RunConfig, *, began: bool, progress: bool) -> Trained:
    from counterpoise.build.checks import check_run

    if began:
        RunDirectory.read(config.path).refuse_missing("train", kinds=("input", "model"))
    else:
        RunDirectory.planned(config)
    problems = check_run(config, started=began and any(config.path.glob("checkpoints/step-*")))
    from counterpoise.engines.local import train as run_training

    run = RunDirectory.open(config.path) if began else RunDirectory.create(config)
    with ExitStack() as stack:
        observer = stack.enter_context(watching()) if progress else None
        # What was read is of the configuration as given, which has the same problems as the stored one.
        done = run_training(run, observer=observer, problems=None if began else problems)
    return Trained(
        path=run.path,
        weights=done.checkpoint.policy,
        base=_evaluated(run, 0, done.base),
        final=_evaluated(run, last_step(run.path, config.learner.steps), done.final),
    )


def _placed(config: RunConfig, *, progress: bool) -> tuple[RunConfig, bool]:
    """The configuration with the name of the run it belongs to, and whether that run is there."""
    changed: list[tuple[str, Any, Any]] = []
    for path in places(config.path):
        named = config.changed(run={"name": path.name})
        if not (path / "config.toml").is_file():
            if changed:
                told = told_changes([(key, kept_name(old), kept_name(new)) for key, old, new in changed])
                line = f"{config.path} has other settings ({told}), so this one is {path}"
                if all(kept_name(old) == old for _, old, _ in changed):
                    line += f"; to go on with that one, {pinned(changed)}"
                tell(line, progress=progress)
            return named, False
        found = changed_settings(RunDirectory.open(path).config, named, besides=PLACE)
        if not found:
            return named, True
        changed = changed or found
    raise AssertionError("there is always a next name")


def _finished(config: RunConfig) -> Trained | None:
    """What a run that has come to its end found; None where something is left to do.

    Raises:
        ConfigError: code that it was begun with has changed.
    """
    run = RunDirectory.open(config.path)
    steps = last_step(run.path, config.learner.steps)
    run.refuse_other_code(run.config)  # an edited reward would get what the old one found
    weights = run.checkpoints / f"step-{steps:06d}" / "policy"
    ended = (run.evaluation(steps) / "passk.json").is_file() or not config.evaluation.after
    if not (weights.is_dir() and ended):
        return None
    base, final = (_evaluated(run, step, None) for step in (0, steps))
    return Trained(path=run.path, weights=weights, base=base, final=final)


def _evaluated(run: RunDirectory, step: int, result: EvaluationResult | None) -> Evaluated | None:
    path = run.evaluation(step)
    if result is None and (path / "passk.json").is_file():
        result = EvaluationResult.load(path)
    return None if result is None else Evaluated(path=path, name=f"{run.path.name}@{step}", result=result)


def _name(config: RunConfig) -> str:
    words = (Path(config.model.name).name or "model", config.tasks.name, config.credit.rule)
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-.") or "x" for word in words)

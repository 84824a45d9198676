"""`counterpoise.evaluate`: pass@k of a model or a run from Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from counterpoise.api.data import Rows
from counterpoise.api.progress import counting, tell
from counterpoise.api.request import configured, places
from counterpoise.api.results import Evaluated, Trained
from counterpoise.config import RunConfig
from counterpoise.errors import UsageError
from counterpoise.evaluation.store.rollouts import Manifest, same_draws
from counterpoise.files import read_json
from counterpoise.runs.directory import RunDirectory
from counterpoise.targets import refuse_step, run_and_step

__all__ = ["evaluate"]


def evaluate(
    target: str | Path | Trained,
    *,
    task: str | None = None,
    rows: Rows | None = None,
    reward: str | Callable[..., Any] | None = None,
    n: int | None = None,
    k: Sequence[int] | str | None = None,
    problems: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    directory: str | Path = "runs",
    progress: bool = True,
    **sections: Mapping[str, Any],
) -> Evaluated:
    """Draw n responses for each test problem, grade them, and estimate pass@k with intervals over problems.

    Rollouts are stored as they come. Called again it draws what is missing and nothing else; at other settings of a model it has a
    directory of its own, `NAME-2`, `NAME-3`, …, and says so in one line.

    Args:
        target: a model (name, directory, hub id) with `task` or `rows`; a run's directory, `RUN@STEP` for one checkpoint; what `train`
            gave back.
        task: name of a task, for a model.
        rows: problems of your own in its place, all of which are asked.
        reward: name or import path of a verifier, or a function `fn(response, gold, *, question, meta)`.
        n: responses for each problem; 256 unless the run says otherwise.
        k: numbers of tries, or `all`; powers of two up to n otherwise.
        problems: the first so many test problems; 128 unless the run says otherwise.
        seed: of the draws, for a model.
        name: of the directory, for a model; `eval-MODEL-TASK` otherwise.
        directory: its parent.
        progress: show how far it is, in a terminal or a notebook.
        **sections: further settings by section of the run file, e.g. `evaluation={"temperature": 1.0}`.

    Raises:
        UsageError, ConfigError, DataError, ModelError: what cannot be as it was given, in one line.
        CheckpointError: the run has no such checkpoint.
        StoreError: what is stored cannot be read, or the disk is full.
    """
    named = str(target.path) if isinstance(target, Trained) else str(target)
    if named.startswith(("http://", "https://")):
        raise UsageError(
            f"{named} is a server, which the command line asks: counterpoise eval {named} --model NAME --task TASK; "
            "counterpoise.compare takes the directory that it names"
        )
    own = {
        "evaluation.n": n,
        "evaluation.k": k if k is None or isinstance(k, str) else list(k),
        "evaluation.problems": problems,
        "run.seed": seed,
    }
    path, step = run_and_step(named)
    if (path / "config.toml").is_file():
        if any(value is not None for value in (task, rows, reward, seed, name)):
            raise UsageError(
                f"{path} is a run and has its own task, reward, seed and place; leave these arguments away"
            )
        return _run(path, step, own, sections, progress=progress)
    refuse_step(named, path, step)
    config = configured(
        model=named,
        task=task,
        rows=rows,
        test_rows=None,
        reward=reward,
        directory=Path(directory),
        sections=sections,
        own=own,
        trains=False,
    )
    return _model(config, Path(directory), name, progress=progress)


def _run(
    path: Path,
    step: int | None,
    own: Mapping[str, Any],
    sections: Mapping[str, Mapping[str, Any]],
    *,
    progress: bool,
) -> Evaluated:
    from counterpoise.build.checks import check_evaluation

    wrong = [section for section in sections if section != "evaluation"]
    if wrong:
        raise UsageError(f"{wrong[0]} is settled for a run; what may be measured otherwise is evaluation={{…}}")
    given = {key: value for key, value in own.items() if value is not None}
    given |= {f"evaluation.{key}": value for key, value in sections.get("evaluation", {}).items()}
    run = RunDirectory.read(path, [f"{key}={_typed(value)}" for key, value in given.items()])
    run.refuse_missing("eval")
    check_evaluation(run.config, model=False)
    from counterpoise.jobs.evaluate import evaluate_run

    with ExitStack() as stack:
        show = stack.enter_context(counting(f"evaluating {path.name}")) if progress else None
        step, result = evaluate_run(run, step=step, on_progress=show, say=lambda line: tell(line, progress=progress))
    return Evaluated(path=run.evaluation(step), name=f"{path.name}@{step}", result=result)


def _model(config: RunConfig, directory: Path, name: str | None, *, progress: bool) -> Evaluated:
    from counterpoise.build.checks import check_evaluation
    from counterpoise.build.evaluation import given_of, manifest_of
    from counterpoise.build.problems import task_and_template
    from counterpoise.evaluation.store.task_file import kept_task

    check_evaluation(config)
    label = Path(config.model.name).name or config.model.name
    first = directory / (name or f"eval-{re.sub(r'[^A-Za-z0-9.]+', '-', label)}-{config.tasks.name}")
    manifest = manifest_of(config, task_and_template(config)[1], 0)
    for path in places(first):
        there = _manifest(path)
        if there is None or (same_draws(there, manifest) and kept_task(path) in (None, given_of(config))):
            break
    if path != first:
        tell(f"{first} holds an evaluation at other settings, so this one is {path}", progress=progress)
    from counterpoise.jobs.evaluate import evaluate_model

    with ExitStack() as stack:
        show = stack.enter_context(counting(f"evaluating {label}")) if progress else None
        result = evaluate_model(
            config, directory=path, on_progress=show, say=lambda line: tell(line, progress=progress)
        )
    return Evaluated(path=path, name=label, result=result)


def _manifest(path: Path) -> Manifest | None:
    """What is stored there; None where nothing is, or nothing that can be read: the store will say what."""
    try:
        return Manifest.from_json(read_json(path / "manifest.json"))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _typed(value: object) -> str:
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value)

"""From what the user names to a `Run`: reads whatever is there, while another process may be writing it, and names what is not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterpoise.errors import CounterpoiseError, DataError, StoreError, UsageError
from counterpoise.evaluation.comparison import Contender, read_contender
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.files import Damage, read_json_lines
from counterpoise.report.records import Evaluated, Event, Run
from counterpoise.report.series import Series, read_series, series_of
from counterpoise.runs.engine_logs import EngineLog, engine_lines, find_engine_log
from counterpoise.targets import run_and_step
from counterpoise.text import counted

__all__ = ["read_runs"]

_DAMAGES = 5
"""Damaged lines named for each run; the others are counted."""


def read_runs(targets: Sequence[str]) -> list[Run]:
    """Read runs (`RUN@STEP` chooses an evaluation), other trainers' logs, evaluations and files of counts, each under a name of its own.

    A run needs nothing but its config.toml; lines that cannot be read are named in `notes` and left out.

    Raises:
        UsageError: no target, or one given twice.
        DataError: a target is not there, or a step was asked for that was not evaluated.
        StoreError: an evaluation cannot be read.
    """
    if not targets:
        raise UsageError("a report needs a run; give a run's directory, an evaluation's directory or a file of counts")
    runs = [_read(target) for target in targets]
    met: dict[tuple[Path, int | None], str] = {}
    for run in runs:
        key = (run.path.resolve(), run.step)
        if key in met:
            raise UsageError(f"{run.target} is given twice: {met[key]} is the same; name every run once")
        met[key] = run.target
    return _named(runs)


def _read(target: str) -> Run:
    path, step = run_and_step(target)
    if (path / "config.toml").is_file():
        return _read_run(target, path, explicit=step is not None)
    if step is None and not (path / "passk.json").is_file() and (log := find_engine_log(path)) is not None:
        return _read_log(target, path, log)
    contender = read_contender(target)
    result = EvaluationResult.load(path) if path.is_dir() else None
    return Run(
        name=contender.name,
        target=target,
        path=path,
        kind="counts" if result is None else "evaluation",
        config={},
        config_text="",
        steps=(),
        columns={},
        events=(),
        checkpoints=(),
        evaluations=(),
        contender=contender,
        step=None,
        result=result,
        started=None,
        ended=None,
        notes=contender.notes,
    )


def _read_run(target: str, path: Path, *, explicit: bool) -> Run:
    notes: list[str] = []
    config, text = _read_config(path / "config.toml", notes)
    series = _read_metrics(path / "metrics.jsonl", notes)
    evaluations = _read_evaluations(path, notes)
    contender: Contender | None = None
    try:
        contender = read_contender(target)
        notes += contender.notes
    except DataError as error:
        if explicit:
            raise
        notes.append(str(error))
    except StoreError as error:
        if explicit:
            raise
        if evaluations:  # the newest one is damaged; the one before it serves
            newest = evaluations[-1]
            contender = Contender(
                name="", path=newest.path, counts=newest.result.counts, manifest=newest.result.manifest
            )
            notes.append(f"the evaluation of step {newest.step} is used instead: {error}")
    used = next((done for done in evaluations if contender and done.path == contender.path), None)
    return Run(
        name=path.resolve().name,
        target=target,
        path=path,
        kind="run",
        config=config,
        config_text=text,
        steps=series.steps,
        columns=series.columns,
        events=_read_events(path / "events.jsonl", notes),
        checkpoints=tuple(sorted(_numbered(path / "checkpoints"))),
        evaluations=evaluations,
        contender=contender,
        step=used.step if used else None,
        result=used.result if used else None,
        started=series.started,
        ended=series.ended,
        notes=tuple(notes),
    )


def _read_log(target: str, path: Path, log: EngineLog) -> Run:
    damages: list[Damage] = []
    series = series_of(engine_lines(log, on_damage=damages.append))
    config: dict[str, Any] = {}
    text, missing = "", "no run file, evaluation or rollouts"
    told: list[str] = []
    if log.run_file is not None:
        config, text = _read_config(log.run_file, told)
        missing = "no evaluation (make one of a checkpoint with counterpoise eval, and name it beside) and no rollouts"
    where = str(log.path) if not log.earlier else f"{log.path} and {counted(len(log.earlier), 'earlier log')} beside it"
    notes = [f"of {log.engine}'s run there are the metrics of {where}: {missing}", *told]
    updates = _updates(config) if log.engine == "TRL" else 1
    if updates > 1:
        notes.append(
            f"TRL counts updates, {updates} of which are a step of the run file: its lines are that much longer"
        )
    _tell(damages, notes)
    return Run(
        name=log.name,
        target=target,
        path=path,
        kind="log",
        config=config,
        config_text=text,
        steps=series.steps,
        columns=series.columns,
        events=(),
        checkpoints=(),
        evaluations=(),
        contender=None,
        step=None,
        result=None,
        started=None,
        ended=None,
        notes=tuple(notes),
        engine=log.engine,
    )


def _updates(config: Mapping[str, Any]) -> int:
    """Updates of a step, as far as a launched run's file says."""
    prompts, minibatch, epochs = (
        config.get(key) for key in ("rollout.prompts_per_step", "learner.minibatch", "learner.epochs")
    )
    most = epochs if type(epochs) is int and epochs > 0 else 1
    if type(prompts) is not int or type(minibatch) is not int or minibatch < 1:
        return most
    return -(-prompts // minibatch) * most


def _read_config(path: Path, notes: list[str]) -> tuple[dict[str, Any], str]:
    # As text, not as a RunConfig: a run of another version must still be shown.
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return _flat(tomllib.loads(text)), text
    except (ValueError, RecursionError) as error:
        notes.append(f"{path} is not valid TOML ({error}); it is shown as it is and not compared")
        return {}, text


def _read_metrics(path: Path, notes: list[str]) -> Series:
    damages: list[Damage] = []
    try:
        series = read_series(path, on_damage=damages.append)
    except StoreError as error:
        notes.append(str(error))
        return Series(steps=(), columns={}, started=None, ended=None)
    _tell(damages, notes)
    if not series.steps:
        # The first step makes the file and writes its line at once.
        notes.append(f"{path} has no line of metrics, although it is there: what it held is lost")
    return series


def _read_events(path: Path, notes: list[str]) -> tuple[Event, ...]:
    damages: list[Damage] = []
    try:
        events = tuple(
            Event(
                step=step if type(step := record.get("step")) is int else 0,
                kind=str(record.get("kind", "event")),
                message=str(record.get("message", "")),
            )
            for record in read_json_lines(path, on_damage=damages.append)
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        notes.append(f"events are left out: cannot read {path}: {error.strerror or error}")
        return ()
    _tell(damages, notes)
    return events


def _read_evaluations(path: Path, notes: list[str]) -> tuple[Evaluated, ...]:
    found = []
    for step, directory in sorted(_numbered(path / "evaluation").items()):
        if not (directory / "passk.json").is_file():
            notes.append(f"the evaluation of step {step} is unfinished and left out")
            continue
        try:
            found.append(Evaluated(step=step, path=directory, result=EvaluationResult.load(directory)))
        except CounterpoiseError as error:
            notes.append(f"the evaluation of step {step} is left out: {error}")
    return tuple(found)


def _numbered(parent: Path) -> dict[int, Path]:
    found = ((re.fullmatch(r"step-(\d+)", directory.name), directory) for directory in parent.glob("step-*"))
    return {int(match[1]): directory for match, directory in found if match}


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _tell(damages: Sequence[Damage], notes: list[str]) -> None:
    notes += [str(damage) for damage in damages[:_DAMAGES]]
    if len(damages) > _DAMAGES:
        notes.append(f"{damages[0].path}: {counted(len(damages) - _DAMAGES, 'more line')} cannot be read")


def _stepped(run: Run, of_this_name: int) -> bool:
    return run.step is not None and (of_this_name > 1 or run.step < run.evaluations[-1].step)


def _named(runs: Sequence[Run]) -> list[Run]:
    """Runs of one name, and those shown at an earlier step than their last, get their step; what is still one gets what was typed."""
    names = [run.name for run in runs]
    stepped = [f"{run.name}@{run.step}" if _stepped(run, names.count(run.name)) else run.name for run in runs]
    final = [name if stepped.count(name) == 1 else run.target for name, run in zip(stepped, runs, strict=True)]
    return [
        replace(run, name=name, contender=run.contender and replace(run.contender, name=name))
        for run, name in zip(runs, final, strict=True)
    ]

"""From what the user names to a `Run`: reads whatever is there, while another process may be writing it, and names what is not."""

from __future__ import annotations

import math
import re
import tomllib
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from counterpoise.engines.run_records import MetricsFile
from counterpoise.errors import CounterpoiseError, DataError, StoreError, UsageError
from counterpoise.evaluation.comparison import Contender, read_contender
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.files import Damage, read_json_lines
from counterpoise.report.records import Evaluated, Event, Run

__all__ = ["read_runs"]

_DAMAGES = 5
"""Damaged lines named for each run; the others are counted."""

_STEPS = 2000
"""Points of a chart at most; a longer run is thinned. A screen has fewer columns, and the page grows by 0.7 kB a point."""

_EVENTS = 2000
"""Newest events that are kept."""


def read_runs(targets: Sequence[str]) -> list[Run]:
    """Read runs (`RUN@STEP` chooses an evaluation), evaluations and files of counts, each under a name of its own.

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
    path = Path(target)
    chosen = re.fullmatch(r"(.+)@(\d+)", target)
    if chosen and not path.exists():
        path = Path(chosen[1])
    else:
        chosen = None
    if (path / "config.toml").is_file():
        return _read_run(target, path, explicit=chosen is not None)
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
        stretch=1,
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
    metrics = _read_metrics(path / "metrics.jsonl", notes)
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
        steps=metrics.steps,
        columns=metrics.columns,
        stretch=metrics.stretch,
        events=_read_events(path / "events.jsonl", notes),
        checkpoints=tuple(sorted(_numbered(path / "checkpoints"))),
        evaluations=evaluations,
        contender=contender,
        step=used.step if used else None,
        result=used.result if used else None,
        started=metrics.started,
        ended=metrics.ended,
        notes=tuple(notes),
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metrics:
    """The metrics of a run as a report shows them; the fields are those of `Run`."""

    steps: tuple[int, ...] = ()
    columns: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    stretch: int = 1
    started: float | None = None
    ended: float | None = None


def _read_metrics(path: Path, notes: list[str]) -> _Metrics:
    damages: list[Damage] = []
    try:
        file = MetricsFile(path, on_damage=damages.append)
        metrics = _stretched(file)
    except StoreError as error:
        notes.append(str(error))
        return _Metrics()
    _tell(damages, notes)
    if not file.steps:
        notes.append(f"{path} holds no step, so no training is shown")
    if metrics.stretch > 1:
        notes.append(
            f"{len(file.steps)} steps are more than a page draws: each point is the mean of {metrics.stretch} of them"
        )
    return metrics


def _stretched(file: MetricsFile) -> _Metrics:
    """Means over stretches of steps, so many that `_STEPS` points are left at most; in memory are the points alone."""
    count = len(file.steps)
    stretch = max(1, math.ceil(count / _STEPS))
    points = math.ceil(count / stretch)
    sums: dict[str, array[float]] = {}
    counts: dict[str, array[float]] = {}
    started: float | None = None
    ended: float | None = None
    for place, record in enumerate(file):
        for name, value in record.items():
            number = _number(value)
            if number is None or name == "step":
                continue
            if name == "time":
                started, ended = number if started is None else started, number
                continue
            if name not in sums:
                sums[name], counts[name] = (array("d", bytes(8 * points)) for _ in range(2))
            sums[name][place // stretch] += number / stretch
            counts[name][place // stretch] += 1 / stretch
    return _Metrics(
        steps=tuple(file.steps[min(point * stretch + stretch, count) - 1] for point in range(points)),
        columns={
            name: tuple(total / n if n else None for total, n in zip(sums[name], counts[name], strict=True))
            for name in sums
        },
        stretch=stretch,
        started=started,
        ended=ended,
    )


def _read_events(path: Path, notes: list[str]) -> tuple[Event, ...]:
    damages: list[Damage] = []
    events: deque[Event] = deque(maxlen=_EVENTS)
    met = 0
    try:
        for record in read_json_lines(path, on_damage=damages.append):
            met += 1
            step = record.get("step")
            kind, message = str(record.get("kind", "event")), str(record.get("message", ""))
            events.append(Event(step=step if type(step) is int else 0, kind=kind, message=message))
    except FileNotFoundError:
        return ()
    except OSError as error:
        notes.append(f"cannot read {path}: {error.strerror or error}; no event is shown")
        return ()
    _tell(damages, notes)
    if met > len(events):
        notes.append(f"{met - len(events)} events before the newest {len(events)} are left out")
    return tuple(events)


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


def _number(value: object) -> float | None:
    # More than 1e300 is no measurement, and means of it would not be finite.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        return None
    return float(value)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _tell(damages: Sequence[Damage], notes: list[str]) -> None:
    notes += [str(damage) for damage in damages[:_DAMAGES]]
    if len(damages) > _DAMAGES:
        notes.append(f"{damages[0].path}: {len(damages) - _DAMAGES} more lines cannot be read")


def _named(runs: Sequence[Run]) -> list[Run]:
    """Runs of one name get their step, or else what was typed."""
    names = [run.name for run in runs]
    stepped = [run.name if names.count(run.name) == 1 or run.step is None else f"{run.name}@{run.step}" for run in runs]
    final = [name if stepped.count(name) == 1 else run.target for name, run in zip(stepped, runs, strict=True)]
    return [
        replace(run, name=name, contender=run.contender and replace(run.contender, name=name))
        for run, name in zip(runs, final, strict=True)
    ]

"""From the arguments of a call to a configuration, and to the directory that the same call found or made before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise.api.data import Rows, kept_rows, reference_of
from counterpoise.config import RunConfig
from counterpoise.errors import UsageError, nearest
from counterpoise.runfile import parse_config
from counterpoise.settings import names_of
from counterpoise.tasks.registry import TASKS

__all__ = ["configured", "kept_name", "places"]

_DATA = ".python"
"""Folder beside the runs in which rows and functions of callers are kept."""
_ROWS_TASK = "jsonl"


def configured(
    *,
    model: str | Path | None,
    task: str | None,
    rows: Rows | None,
    test_rows: Rows | None,
    reward: str | Callable[..., Any] | None,
    directory: Path,
    sections: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, Any],
    trains: bool,
) -> RunConfig:
    """The configuration of a call.

    Args:
        model: name, path or hub id.
        task: name of a task.
        rows: problems in its place.
        test_rows: test problems beside them; a tenth of `rows` otherwise, and all of them where nothing is trained.
        reward: name or import path of a verifier, or a function.
        directory: parent of the runs.
        sections: sections of a run file.
        own: settings by dotted name that arguments of the call say; None was not said.
        trains: whether there is a training side.

    Raises:
        UsageError: no model or no task, or two of them; a section that does not exist; a setting said twice.
        ConfigError: an unknown setting, or an illegal value.
        DataError: the rows are not problems.
    """
    for name in sections:
        if name not in RunConfig.model_fields:
            raise UsageError(
                f"unknown argument '{name}'{nearest(name, RunConfig.model_fields)}; "
                f"sections of a run file are: {', '.join(RunConfig.model_fields)}"
            )
        if not isinstance(sections[name], Mapping):
            raise UsageError(f"{name} is a section of a run file: give its settings, e.g. {name}={{…}}")
    given = [task is not None, rows is not None, "name" in sections.get("tasks", {})]
    if sum(given) != 1:
        raise UsageError("give the problems once: task=NAME (counterpoise tasks list), or rows=[{question, answer}, …]")
    if test_rows is not None and rows is None:
        raise UsageError("test_rows goes with rows; a task has a test side of its own")
    tables: dict[str, dict[str, Any]] = {name: dict(given) for name, given in sections.items()}
    said = {**own, "run.directory": str(directory)}
    if model is not None:
        said["model.name"] = str(model)
    if task is not None:
        said["tasks.name"] = task
    if rows is not None:
        said |= {"tasks.name": _ROWS_TASK, **_sides(rows, test_rows, directory / _DATA, trains=trains)}
    named = str(said.get("tasks.name") or tables.get("tasks", {}).get("name"))
    if reward is not None and named in TASKS and "verifier" not in names_of(TASKS[named]):
        raise UsageError(
            f"task '{named}' has a verifier of its own, so reward is for problems of yours: rows=[…], or a task of files, jsonl or parquet"
        )
    if callable(reward):
        said["tasks.settings.verifier"] = reference_of(reward, directory / _DATA)
    elif reward is not None and not isinstance(reward, str):
        raise UsageError(
            f"reward is {type(reward).__name__} ({str(reward)[:40]!r}); give a function (response, gold, *, question, meta), "
            "or the name of a verifier"
        )
    elif reward is not None:
        said["tasks.settings.verifier"] = reward
    for key, value in said.items():
        if value is not None:
            _put(tables, key, value)
    if "name" not in tables.get("model", {}):
        raise UsageError("give a model: a name such as 'lab', a directory that save_pretrained wrote, or a hub id")
    return parse_config(tables, source="the call")


def places(first: Path) -> Iterator[Path]:
    """`runs/x`, `runs/x-2`, `runs/x-3`, …: where the same call with other settings goes."""
    yield first
    number = 2
    while True:
        yield first.with_name(f"{first.name}-{number}")
        number += 1


def kept_name(value: Any) -> Any:
    """What rows and functions of a caller were kept as, without the folder."""
    path, colon, name = (
        value.rpartition(":") if isinstance(value, str) and not value.endswith(".jsonl") else (value, "", "")
    )
    kept = isinstance(path, str) and Path(path).parent.name == _DATA
    return f"{Path(path).name}{colon}{name}" if kept else value


def _sides(rows: Rows, test_rows: Rows | None, directory: Path, *, trains: bool) -> dict[str, str]:
    path = str(kept_rows(rows, directory).resolve())
    if test_rows is not None:
        return {"tasks.train": path, "tasks.test": str(kept_rows(test_rows, directory).resolve())}
    return {"tasks.settings.path": path} if trains else {"tasks.test": path}


def _put(tables: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    table = tables
    for section in sections:
        table[section] = dict(table.get(section, {}))
        table = table[section]
    if name in table and table[name] != value:
        raise UsageError(f"{key} is given twice, as {table[name]!r} and as {value!r}; leave one of them away")
    table[name] = value

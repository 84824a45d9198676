"""Problems from JSON lines or Parquet, through a field map."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from counterpoise.errors import ConfigError
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record, jsonl_records, located, parquet_records
from counterpoise.tasks.shared.splits import FileSplits, Loaded, check_split_settings, content_id, unique
from counterpoise.types import Problem

__all__ = ["FieldMap", "JsonlTask", "ParquetTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """Which field of a record is what."""

    question: str
    """Field of the question."""
    gold: str
    """Field of the gold."""
    task_type: str
    """Kind of task of every record, unless `task_type_field` is given."""
    task_type_field: str | None
    """Field that holds each record's own kind of task."""
    verifier: str
    """Name of the verifier of every record."""
    demonstration: str | None
    """Field of a worked answer, where there is one."""

    def columns(self) -> list[str]:
        """The fields that are read."""
        chosen = (self.question, self.gold, self.task_type_field, self.demonstration)
        return list(dict.fromkeys(name for name in chosen if name is not None))

    def problem(self, record: Record) -> Problem:
        """The problem of one record.

        Raises:
            DataError: a field is missing, empty or no text.
        """
        question = record.text(self.question)
        task_type = self.task_type if self.task_type_field is None else record.text(self.task_type_field)
        return Problem(
            problem_id=content_id(task_type, question),
            task_type=task_type,
            question=question,
            gold=record.gold(self.gold),
            verifier=self.verifier,
            demonstration=None if self.demonstration is None else record.text(self.demonstration),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlTask:
    """Your own problems, one JSON object a line, e.g. `{"question": "1+1=?", "answer": "2"}`.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    train: str | Path | None = None
    """File of the training side."""
    test: str | Path | None = None
    """File of the test side."""
    path: str | Path | None = None
    """One file for both sides, split by content hash; instead of `train` and `test`."""
    question: str = "question"
    """Field of the question."""
    gold: str = "answer"
    """Field of the gold: text, a number, or a list of right answers."""
    task_type: str = "jsonl"
    """Kind of task of every record."""
    task_type_field: str | None = None
    """Field with each record's own kind of task; takes the place of `task_type`."""
    verifier: str = "math"
    """Verifier of every record."""
    demonstration: str | None = None
    """Field of a worked answer."""
    template: str = "step_by_step_chat"
    """Prompt template."""
    test_fraction: float = 0.1
    """Expected share of `path` on the test side."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str] = "jsonl"

    def __post_init__(self) -> None:
        _check(self)

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        return _splits(self, jsonl_records).side(split)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the file's order.

        Raises:
            ConfigError: no file was given for this side.
            DataError: a record is malformed, the side is empty, or the sides overlap.
        """
        return self.loaded(split).problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetTask:
    """Your own problems, one row each of a Parquet file (extra `parquet`); only the mapped columns are read.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    train: str | Path | None = None
    """File of the training side."""
    test: str | Path | None = None
    """File of the test side."""
    path: str | Path | None = None
    """One file for both sides, split by content hash; instead of `train` and `test`."""
    question: str = "question"
    """Column of the question."""
    gold: str = "answer"
    """Column of the gold: text, numbers, or lists of right answers."""
    task_type: str = "parquet"
    """Kind of task of every row."""
    task_type_field: str | None = None
    """Column with each row's own kind of task; takes the place of `task_type`."""
    verifier: str = "math"
    """Verifier of every row."""
    demonstration: str | None = None
    """Column of a worked answer."""
    template: str = "step_by_step_chat"
    """Prompt template."""
    test_fraction: float = 0.1
    """Expected share of `path` on the test side."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str] = "parquet"

    def __post_init__(self) -> None:
        _check(self)

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        columns = _field_map(self).columns()
        return _splits(self, lambda path: parquet_records(path, columns)).side(split)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the file's order.

        Raises:
            ConfigError: no file was given for this side.
            DataError: a row is malformed, the side is empty, or the sides overlap.
            MissingExtraError: `pyarrow` is not installed.
        """
        return self.loaded(split).problems


def _check(task: JsonlTask | ParquetTask) -> None:
    check_split_settings(task.name, train=task.train, test=task.test, path=task.path, test_fraction=task.test_fraction)
    if task.path is None and task.train is None and task.test is None:
        raise ConfigError(
            f"task '{task.name}' needs a file: give train=FILE and test=FILE (tasks.train, tasks.test in a run file), "
            "or path=FILE to split one file (tasks.settings.path)"
        )


def _field_map(task: JsonlTask | ParquetTask) -> FieldMap:
    return FieldMap(
        question=task.question,
        gold=task.gold,
        task_type=task.task_type,
        task_type_field=task.task_type_field,
        verifier=task.verifier,
        demonstration=task.demonstration,
    )


def _splits(task: JsonlTask | ParquetTask, read: Callable[[Path], Iterable[Record]]) -> FileSplits:
    fields = _field_map(task)

    def load(path: Path) -> Loaded:
        return unique(located(read(path), fields.problem))

    return FileSplits(
        name=task.name,
        load=load,
        train=task.train,
        test=task.test,
        path=task.path,
        test_fraction=task.test_fraction,
        allow_overlap=task.allow_overlap,
    )

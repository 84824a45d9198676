"""Problems from JSON lines or Parquet, through a field map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from counterpoise.settings import settings
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.records import NO_RECORD, Record, jsonl_records, parquet_records, reads_records
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Problem

__all__ = ["JsonlTask", "ParquetTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _MappedTask(FileTask):
    question: str = "question"
    """Field of the question."""
    gold: str = "answer"
    """Field of the gold: text, a number, or a list of right answers."""
    task_type: str
    """Kind of task of every record."""
    task_type_field: str | None = None
    """Field with each record's own kind of task; takes the place of `task_type`."""
    verifier: str = "math"
    """Verifier of every record."""
    demonstration: str | None = None
    """Field of a worked answer."""
    template: str = "step_by_step_chat"
    """Prompt template."""

    def _problem(self, record: Record) -> Problem:
        question = record.text(self.question)
        task_type = self.task_type if self.task_type_field is None else record.text(self.task_type_field)
        return Problem(
            problem_id=content_id(task_type, question),
            task_type=task_type,
            question=question,
            gold=record.gold(self.gold),
            verifier=self.verifier,
            demonstration=None if self.demonstration is None else record.text(self.demonstration),
            record=MappingProxyType(dict(record.fields)) if reads_records(self.verifier) else NO_RECORD,
        )


@settings("task jsonl")
class JsonlTask(_MappedTask):
    """Your own problems, one JSON object a line, e.g. `{"question": "1+1=?", "answer": "2"}`.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    task_type: str = "jsonl"
    """Kind of task of every record."""

    name: ClassVar[str] = "jsonl"

    def _records(self, path: Path) -> Iterable[Record]:
        return jsonl_records(path)


@settings("task parquet")
class ParquetTask(_MappedTask):
    """Your own problems, one row each of a Parquet file (extra `parquet`); only the mapped columns are read.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    task_type: str = "parquet"
    """Kind of task of every row."""

    name: ClassVar[str] = "parquet"

    def _records(self, path: Path) -> Iterable[Record]:
        if reads_records(self.verifier):
            return parquet_records(path, None)
        columns = (self.question, self.gold, self.task_type_field, self.demonstration)
        return parquet_records(path, list(dict.fromkeys(name for name in columns if name is not None)))

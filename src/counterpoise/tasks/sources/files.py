"""Problems of your own, through a field map: JSON lines, Parquet, folders of them, saved data sets and those of the hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from counterpoise.plugins import known_as
from counterpoise.settings import settings
from counterpoise.tasks.shared.conversation import CHAT_TEMPLATE
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.records import NO_RECORD, Record, jsonl_records, parquet_records, reads_records
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import MESSAGES, Problem

__all__ = ["JsonlTask", "ParquetTask"]

_OWN_TEMPLATE = "step_by_step_chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class _MappedTask(FileTask):
    question: str = "question"
    """Field of the question: text, or a conversation `[{role, content}]`; `a.b` is the field `b` in `a`, here and below."""
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
    template: str = _OWN_TEMPLATE
    """Prompt template; conversations are asked as they are, unless another one is named."""

    def _problem(self, record: Record) -> Problem:
        question, before = record.asked(self.question)
        chat = isinstance(record.value(self.question), list)
        task_type = self.task_type if self.task_type_field is None else record.text(self.task_type_field)
        meta: dict[str, Any] = {MESSAGES: before} if before else {}
        return Problem(
            problem_id=content_id(task_type, "\n".join([*(f"{role}: {text}" for role, text in before), question])),
            task_type=task_type,
            question=question,
            gold=record.gold(self.gold),
            verifier=known_as(self.verifier),
            demonstration=None if self.demonstration is None else record.worked(self.demonstration),
            template=CHAT_TEMPLATE if chat and self.template == _OWN_TEMPLATE else None,
            meta=MappingProxyType(meta),
            record=MappingProxyType(dict(record.fields)) if reads_records(self.verifier) else NO_RECORD,
        )

    def _columns(self) -> Sequence[str]:
        if reads_records(self.verifier):
            return ()
        columns = (self.question, self.gold, self.task_type_field, self.demonstration)
        return list(dict.fromkeys(name for name in columns if name is not None))


@settings("task jsonl")
class JsonlTask(_MappedTask):
    """Your own problems, one JSON object a line, e.g. `{"question": "1+1=?", "answer": "2"}`, or `hub:NAME[:SPLIT]` in place of a file.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    task_type: str = "jsonl"
    """Kind of task of every record."""

    name: ClassVar[str] = "jsonl"

    def _records(self, path: Path) -> Iterable[Record]:
        return parquet_records(path, self._columns()) if path.suffix == ".parquet" else jsonl_records(path)


@settings("task parquet")
class ParquetTask(_MappedTask):
    """Your own problems, one row each of a Parquet file or a folder of them (extra `parquet`); only the mapped columns are read.

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    task_type: str = "parquet"
    """Kind of task of every row."""

    name: ClassVar[str] = "parquet"

    def _records(self, path: Path) -> Iterable[Record]:
        return parquet_records(path, self._columns())

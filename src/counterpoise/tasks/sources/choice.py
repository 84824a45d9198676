"""Multiple-choice problems from files, in the columns of MMLU, ARC, GPQA and the like."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from counterpoise.errors import DataError
from counterpoise.ranges import Texts
from counterpoise.settings import settings
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.options import choice_problem
from counterpoise.tasks.shared.records import Record, jsonl_records, parquet_records
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Problem

__all__ = ["ChoiceTask"]


@settings("task choice")
class ChoiceTask(FileTask):
    """Multiple choice from JSON lines or Parquet: a question, its options, and the answer as letter, index, label or text.

    Options are a list of texts (MMLU), `{"text": […], "label": […]}` (ARC), or, with `wrong`, the answer's own column and others that hold
    the wrong ones (GPQA).

    Raises:
        ConfigError: settings that contradict each other, or no file at all.
    """

    question: str = "question"
    """Field of the question."""
    options: str = "choices"
    """Field of the options."""
    answer: str = "answer"
    """Field of the answer: a letter, a label, an index from 0, or the option's text."""
    wrong: Texts = ()
    """Fields of the wrong options; `answer` then holds the right option's text, and the options are shuffled in any case."""
    task_type: str = "choice"
    """Kind of task of every record."""
    task_type_field: str | None = None
    """Field with each record's own kind of task, e.g. MMLU's `subject`."""
    shuffle: bool = False
    """Put the options into an order that follows from the question's hash: a model may prefer a letter, or remember one."""
    template: str = "step_by_step_chat"
    """Prompt template."""

    name: ClassVar[str] = "choice"

    def _records(self, path: Path) -> Iterable[Record]:
        if path.suffix != ".parquet":
            return jsonl_records(path)
        fields = (self.question, self.answer, self.task_type_field, *(self.wrong or (self.options,)))
        return parquet_records(path, [field for field in fields if field is not None])

    def _problem(self, record: Record) -> Problem:
        question = record.text(self.question)
        options, right = self._gpqa(record) if self.wrong else self._listed(record)
        task_type = self.task_type if self.task_type_field is None else record.text(self.task_type_field)
        # "What is the capital?" may be asked with several lists of options: they are part of the content, their order is not.
        return choice_problem(
            identity=content_id(task_type, "\n".join([question, *sorted(options)])),
            task_type=task_type,
            question=question,
            options=options,
            right=right,
            shuffle=self.shuffle or bool(self.wrong),
            where=record.where,
        )

    def _gpqa(self, record: Record) -> tuple[list[str], int]:
        return [record.text(field) for field in (self.answer, *self.wrong)], 0

    def _listed(self, record: Record) -> tuple[list[str], int]:
        found = record.fields.get(self.options)
        texts = found.get("text") if isinstance(found, dict) else found
        labels = found.get("label") if isinstance(found, dict) else None
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            raise DataError(
                f"{record.where}: field '{self.options}': expected a list of texts, found {str(found)[:60]!r}; "
                "name the field of the options with options=FIELD"
            )
        return list(texts), _position(record, self.answer, list(texts), labels)


def _position(record: Record, field: str, texts: list[str], labels: object) -> int:
    answer = record.fields.get(field)
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(texts):
        return answer
    if isinstance(answer, str) and answer.strip():
        answer = answer.strip()
        if isinstance(labels, (list, tuple)) and answer in labels:
            return labels.index(answer)
        meant = {position for position, text in enumerate(texts) if text.strip() == answer}
        if len(answer) == 1 and 0 <= ord(answer.upper()) - 65 < len(texts):
            meant.add(ord(answer.upper()) - 65)
        # With the options "B", "A", "AB" the answer "A" is two of them.
        if len(meant) == 1:
            return meant.pop()
    raise DataError(
        f"{record.where}: field '{field}': expected the letter, the index from 0 or the text of one of {len(texts)} options, "
        f"found {str(answer)[:40]!r}"
    )

"""NQ-open: real questions to a search engine with short answers (Kwiatkowski et al. 2019; Lee et al. 2019, arXiv:1906.00300)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from counterpoise.errors import DataError
from counterpoise.settings import settings
from counterpoise.tasks.shared.aliases import AliasVerifier, alias_gold
from counterpoise.tasks.shared.files import FileTask
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record
from counterpoise.tasks.shared.splits import (
    content_id,
)
from counterpoise.types import Problem

__all__ = ["NqOpen"]

_REPOSITORY: Final = "google-research-datasets/nq_open"


@settings("task nq_open")
class NqOpen(FileTask):
    """Open questions with several accepted answers: JSON lines with `question` and a list `answer`, or the hub's `nq_open`.

    Raises:
        ConfigError: settings that contradict each other.
    """

    verifier: AliasVerifier = "qa"
    """`qa`, or `llm` for the rules of `qa` and a language model behind them."""

    name: ClassVar[str] = "nq_open"
    on_hub: ClassVar[bool] = True
    template: ClassVar[str] = "step_by_step_chat"

    def _hub(self, split: Split) -> Iterable[Record]:
        return hub_records(
            _REPOSITORY, config=None, split={"train": "train", "test": "validation"}[split], task=self.name
        )

    def _problem(self, record: Record) -> Problem:
        question, answers = record.text("question"), _answers(record)
        return Problem(
            problem_id=content_id("nq_open", question),
            task_type="nq_open",
            question=question,
            gold=alias_gold(answers, question=question, verifier=self.verifier),
            verifier=self.verifier,
            demonstration=f"\\boxed{{{answers[0]}}}",
        )


def _answers(record: Record) -> list[str]:
    answers = record.fields.get("answer")
    texts = [str(answer).strip() for answer in answers] if isinstance(answers, (list, tuple)) else []
    if not texts or not all(texts) or not all(isinstance(answer, str) for answer in answers or ()):
        raise DataError(
            f'{record.where}: field \'answer\': expected a list of texts such as ["Paris", "Lutetia"], found {str(answers)[:60]!r}'
        )
    return list(dict.fromkeys(texts))

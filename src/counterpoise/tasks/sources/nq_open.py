"""NQ-open: real questions to a search engine with short answers (Kwiatkowski et al. 2019; Lee et al. 2019, arXiv:1906.00300)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from counterpoise.errors import DataError
from counterpoise.tasks.shared.aliases import alias_gold, check_verifier
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record, jsonl_records, located
from counterpoise.tasks.shared.splits import (
    FileSplits,
    Loaded,
    check_split_settings,
    content_id,
    refuse_overlap,
    unique,
)
from counterpoise.types import Problem

__all__ = ["NqOpen"]

_REPOSITORY: Final = "google-research-datasets/nq_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class NqOpen:
    """Open questions with several accepted answers: JSON lines with `question` and a list `answer`, or the hub's `nq_open`.

    Raises:
        ConfigError: settings that contradict each other.
    """

    train: str | Path | None = None
    """File of the training side (87,925 problems in the original)."""
    test: str | Path | None = None
    """File of the test side (3,610 in the original, which calls it dev)."""
    path: str | Path | None = None
    """One file for both sides, split by content hash; instead of `train` and `test`."""
    verifier: str = "qa"
    """`qa`, or `llm` for the rules of `qa` and a language model behind them."""
    test_fraction: float = 0.1
    """Expected share of `path` on the test side."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str] = "nq_open"
    template: ClassVar[str] = "step_by_step_chat"

    def __post_init__(self) -> None:
        check_verifier(self.name, self.verifier)
        check_split_settings(
            self.name, train=self.train, test=self.test, path=self.path, test_fraction=self.test_fraction
        )

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        if self.train is None and self.test is None and self.path is None:
            return self._from_hub(split)
        files = FileSplits(
            name=self.name,
            load=lambda path: self._load(jsonl_records(path)),
            train=self.train,
            test=self.test,
            path=self.path,
            test_fraction=self.test_fraction,
            allow_overlap=self.allow_overlap,
        )
        return files.side(split)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the source's order.

        Raises:
            ConfigError: a file was given for the other side only.
            DataError: a record is malformed, the side is empty, the sides overlap, or the hub cannot be read.
            MissingExtraError: no file is given and `datasets` is not installed.
        """
        return self.loaded(split).problems

    def _from_hub(self, split: Split) -> Loaded:
        sides = {"train": "train", "test": "validation"}
        loaded = self._load(hub_records(_REPOSITORY, config=None, split=sides[split], task=self.name))
        if split == "test" and not self.allow_overlap:
            training = self._load(hub_records(_REPOSITORY, config=None, split="train", task=self.name))
            refuse_overlap(self.name, training.problems, loaded.problems, allow=False)
        return loaded

    def _load(self, records: Iterable[Record]) -> Loaded:
        return unique(located(records, self._problem))

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

"""GSM8K, grade-school word problems with integer answers (Cobbe et al. 2021, arXiv:2110.14168)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from counterpoise.errors import DataError
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record, jsonl_records, located
from counterpoise.tasks.shared.splits import FileSplits, Loaded, content_id, refuse_overlap, unique
from counterpoise.types import Problem

__all__ = ["Gsm8k", "gsm8k_gold"]

_REPOSITORY: Final = "openai/gsm8k"
_CALCULATOR: Final = re.compile(r"<<[^<>]*>>")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsm8k:
    """GSM8K word problems: local JSON lines with `question` and `answer`, or the hub's `openai/gsm8k` when no file is given.

    Raises:
        ConfigError: settings that contradict each other.
    """

    train: str | Path | None = None
    """File of the training side (7,473 problems in the original)."""
    test: str | Path | None = None
    """File of the test side (1,319 in the original)."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str] = "gsm8k"
    template: ClassVar[str] = "step_by_step_chat"

    def loaded(self, split: Split) -> Loaded:
        """One side with the count of duplicates."""
        if self.train is None and self.test is None:
            return self._from_hub(split)
        files = FileSplits(
            name=self.name,
            load=lambda path: _load(jsonl_records(path)),
            train=self.train,
            test=self.test,
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
        loaded = _load(hub_records(_REPOSITORY, config="main", split=split, task=self.name))
        if split == "test" and not self.allow_overlap:
            training = _load(hub_records(_REPOSITORY, config="main", split="train", task=self.name))
            refuse_overlap(self.name, training.problems, loaded.problems, allow=False)
        return loaded


def gsm8k_gold(answer: str) -> str | None:
    """The number after the last `####`, without thousands separators and a trailing full stop; None when there is none.

    `gsm8k_gold("2 * 600 = 1,200 #### 1,200.")` is `"1200"`.
    """
    _, marker, tail = answer.rpartition("####")
    gold = tail.strip().replace(",", "").removesuffix(".").strip()
    return gold if marker and _NUMBER.fullmatch(gold) else None


def _load(records: Iterable[Record]) -> Loaded:
    return unique(located(records, _problem))


def _problem(record: Record) -> Problem:
    question, answer = record.text("question"), record.text("answer")
    gold = gsm8k_gold(answer)
    if gold is None:
        end = answer if len(answer) <= 60 else "…" + answer[-60:]
        raise DataError(f"{record.where}: field 'answer': expected it to end in '#### NUMBER', found {end!r}")
    steps = _CALCULATOR.sub("", answer.rpartition("####")[0]).strip()
    return Problem(
        problem_id=content_id("gsm8k", question),
        task_type="gsm8k",
        question=question,
        gold=gold,
        verifier="math",
        demonstration=f"{steps}\nThe final answer is \\boxed{{{gold}}}.",
    )

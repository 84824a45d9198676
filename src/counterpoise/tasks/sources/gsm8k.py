"""GSM8K, grade-school word problems with integer answers (Cobbe et al. 2021, arXiv:2110.14168)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from counterpoise.errors import DataError
from counterpoise.settings import settings
from counterpoise.tasks.shared.files import SidesTask
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Problem

__all__ = ["Gsm8k", "gsm8k_gold"]

_REPOSITORY: Final = "openai/gsm8k"
_CALCULATOR: Final = re.compile(r"<<[^<>]*>>")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


@settings("task gsm8k")
class Gsm8k(SidesTask):
    """GSM8K word problems: local JSON lines with `question` and `answer`, or the hub's `openai/gsm8k` when no file is given.

    Raises:
        ConfigError: settings that contradict each other.
    """

    name: ClassVar[str] = "gsm8k"
    template: ClassVar[str] = "step_by_step_chat"

    def _hub(self, split: Split) -> Iterable[Record]:
        return hub_records(_REPOSITORY, config="main", split=split, task=self.name)

    def _problem(self, record: Record) -> Problem:
        return _problem(record)


def gsm8k_gold(answer: str) -> str | None:
    """The number after the last `####`, without thousands separators and a trailing full stop; None when there is none.

    `gsm8k_gold("2 * 600 = 1,200 #### 1,200.")` is `"1200"`.
    """
    _, marker, tail = answer.rpartition("####")
    gold = tail.strip().replace(",", "").removesuffix(".").strip()
    return gold if marker and _NUMBER.fullmatch(gold) else None


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

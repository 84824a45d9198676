"""MATH, competition problems whose solutions end in a box (Hendrycks et al. 2021, arXiv:2103.03874)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from counterpoise.errors import DataError
from counterpoise.settings import settings
from counterpoise.tasks.shared.files import SidesTask
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record
from counterpoise.tasks.shared.splits import content_id
from counterpoise.types import Problem

__all__ = ["Math", "last_boxed"]

_REPOSITORY: Final = "EleutherAI/hendrycks_math"
_REPOSITORY_500: Final = "HuggingFaceH4/MATH-500"
_SUBJECTS: Final = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
_BOX: Final = re.compile(r"\\f?box(?:ed)?\s*(\{|[0-9A-Za-z])")


@settings("task math")
class Math(SidesTask):
    """MATH competition problems: local JSON lines with `problem` and `solution`, or the hub's `EleutherAI/hendrycks_math`.

    Raises:
        ConfigError: `test_set` is unknown.
    """

    test_set: Literal["full", "math500"] = "full"
    """Which test side to take from the hub: all 5,000, or the 500 of `HuggingFaceH4/MATH-500`."""

    name: ClassVar[str] = "math"
    template: ClassVar[str] = "step_by_step_chat"

    def _hub(self, split: Split) -> Iterable[Record]:
        if split == "test" and self.test_set == "math500":
            return hub_records(_REPOSITORY_500, config=None, split="test", task="math")
        return _hub_subjects(split)

    def _problem(self, record: Record) -> Problem:
        return _problem(record)


def last_boxed(solution: str) -> str | None:
    r"""Content of the last `\boxed{…}` or `\fbox{…}`, its end found by walking braces (escaped ones skipped).

    The solutions' own `\boxed 7` and `\boxed7` give `7`. None when there is no box, or the last one is empty or never closed.
    """
    last = None
    for match in _BOX.finditer(solution):
        last = match
    if last is None:
        return None
    if last[1] != "{":
        return last[1]
    depth, position = 1, last.end()
    while position < len(solution) and depth:
        if solution[position] == "\\":
            position += 1
        elif solution[position] in "{}":
            depth += 1 if solution[position] == "{" else -1
        position += 1
    return (solution[last.end() : position - 1].strip() or None) if depth == 0 else None


def _hub_subjects(split: str) -> Iterator[Record]:
    for subject in _SUBJECTS:
        yield from hub_records(_REPOSITORY, config=subject, split=split, task="math")


def _problem(record: Record) -> Problem:
    question, solution = record.text("problem"), record.text("solution")
    # The box, not the `answer` field: a bare answer such as `2\sqrt{3}` can parse to something else than its boxed form.
    gold = last_boxed(solution)
    if gold is None:
        end = solution if len(solution) <= 60 else "…" + solution[-60:]
        raise DataError(f"{record.where}: field 'solution': expected a closed, non-empty \\boxed{{…}}, found {end!r}")
    meta: dict[str, Any] = {}
    if "level" in record.fields:
        meta["level"] = _level(record.fields["level"])
    subject = record.fields.get("subject", record.fields.get("type"))
    if subject is not None:
        meta["subject"] = subject
    return Problem(
        problem_id=content_id("math", question),
        task_type="math",
        question=question,
        gold=gold,
        verifier="math",
        demonstration=solution,
        meta=MappingProxyType(meta),
    )


def _level(value: object) -> int | None:
    """`"Level 5"` and `5` as 5; the few `"Level ?"` as None."""
    text = str(value).removeprefix("Level").strip()
    return int(text) if text.isdecimal() else None

"""MATH, competition problems whose solutions end in a box (Hendrycks et al. 2021, arXiv:2103.03874)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.shared.hub import hub_records
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import Record, jsonl_records, located
from counterpoise.tasks.shared.splits import FileSplits, Loaded, content_id, refuse_overlap, unique
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Math:
    """MATH competition problems: local JSON lines with `problem` and `solution`, or the hub's `EleutherAI/hendrycks_math`.

    Raises:
        ConfigError: `test_set` is unknown.
    """

    train: str | Path | None = None
    """File of the training side (7,500 problems in the original)."""
    test: str | Path | None = None
    """File of the test side (5,000 in the original)."""
    test_set: Literal["full", "math500"] = "full"
    """Which test side to take from the hub: all 5,000, or the 500 of `HuggingFaceH4/MATH-500`."""
    allow_overlap: bool = False
    """Accept test problems that are also in the training file."""

    name: ClassVar[str] = "math"
    template: ClassVar[str] = "step_by_step_chat"

    def __post_init__(self) -> None:
        if self.test_set not in ("full", "math500"):
            raise ConfigError(f"task 'math': test_set is {self.test_set!r}, expected 'full' or 'math500'")

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
        if split == "train":
            return _load(_hub_subjects("train"))
        small = self.test_set == "math500"
        loaded = _load(
            hub_records(_REPOSITORY_500, config=None, split="test", task="math") if small else _hub_subjects("test")
        )
        if not self.allow_overlap:
            refuse_overlap(self.name, _load(_hub_subjects("train")).problems, loaded.problems, allow=False)
        return loaded


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


def _load(records: Iterable[Record]) -> Loaded:
    return unique(located(records, _problem))


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

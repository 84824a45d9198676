"""Problems that were imported with their rollouts: `golds.jsonl` in the evaluation, so that grading needs no task."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from counterpoise.errors import StoreError
from counterpoise.evaluation.store.checked import checked
from counterpoise.files import append_json_lines, read_json_lines
from counterpoise.types import Problem

__all__ = ["KeptProblem", "append_problems", "kept_problems"]

_FILE = "golds.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProblem:
    """One line of `golds.jsonl`."""

    problem_id: str
    """Problem."""
    task_type: str
    """Kind of task."""
    question: str | None
    """What was asked; None where the file had only an id."""
    gold: str | None
    """What the verifier compares with; None where nobody gave it."""
    verifier: str
    """Name of the verifier."""

    def problem(self) -> Problem:
        """As grading wants it; a missing gold is the empty text."""
        return Problem(
            problem_id=self.problem_id,
            task_type=self.task_type,
            question=self.question or "",
            gold=self.gold or "",
            verifier=self.verifier,
        )


def append_problems(directory: Path, problems: Sequence[KeptProblem]) -> None:
    """Add problems; flushed to the disk before this returns.

    Raises:
        StoreError: the file cannot be written.
    """
    lines = [{name: getattr(problem, name) for name in KeptProblem.__slots__} for problem in problems]
    append_json_lines(directory / _FILE, lines)


def kept_problems(directory: Path) -> dict[str, KeptProblem]:
    """The problems by id; the last line of an id counts. Empty where the evaluation was not imported; a damaged line is absent.

    Raises:
        StoreError: the file cannot be read.
    """
    path = directory / _FILE
    if not path.exists():
        return {}
    try:
        lines = list(read_json_lines(path, on_damage=lambda _: None))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    kept = {}
    for line in lines:
        with suppress(KeyError, TypeError):
            problem = checked(KeptProblem(**{name: line[name] for name in _NAMES}))
            kept[problem.problem_id] = problem
    return kept


_NAMES = frozenset(KeptProblem.__slots__)

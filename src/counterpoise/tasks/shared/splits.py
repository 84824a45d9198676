"""From records to the two sides of a task: each problem once, no side empty, nothing of the test side in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from counterpoise.errors import DataError
from counterpoise.streams import numpy_generator
from counterpoise.tasks.shared.identity import Split, problem_id, split_of
from counterpoise.types import Problem

__all__ = ["Loaded", "content_id", "in_drawn_order", "on_side", "refuse_overlap", "unique"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Problems of one source, each once, and what was left out."""

    problems: tuple[Problem, ...]
    """In the source's order."""
    duplicates: int
    """Records left out because their problem was there already, conflicting ones included."""
    conflicts: int
    """Duplicates whose gold differs from the one that was kept (the first)."""


def content_id(task_type: str, question: str) -> str:
    """Identity of a problem that is a text: its words, so that a copy with other white space or another gold is the same problem.

    Leaving the gold out is what makes the overlap check strict: a test question in training is contamination whatever its gold.
    """
    return problem_id(task_type, " ".join(question.split()))


def unique(problems: Iterable[Problem]) -> Loaded:
    """Keep the first of equal problems and count the others."""
    kept: dict[str, Problem] = {}
    duplicates = conflicts = 0
    for problem in problems:
        first = kept.setdefault(problem.problem_id, problem)
        if first is not problem:
            duplicates += 1
            conflicts += first.gold != problem.gold
    return Loaded(problems=tuple(kept.values()), duplicates=duplicates, conflicts=conflicts)


def on_side(items: Iterable[tuple[str, T]], split: Split, *, task: str, test_fraction: float) -> list[T]:
    """Of (identity, item) the items whose identity is on a side, in their order (`identity.split_of`).

    Raises:
        DataError: there are none.
    """
    chosen = [item for identity, item in items if split_of(identity, test_fraction=test_fraction) == split]
    if not chosen:
        raise DataError(
            f"task '{task}' has no {split} problems with test_fraction={test_fraction}; move it away from 0 and 1"
        )
    return chosen


def in_drawn_order(items: Sequence[T], *, task: str, seed: int) -> list[T]:
    """The items in the order that a task's `seed` gives them: which ones there are, and on which side, does not depend on it."""
    return [items[index] for index in numpy_generator(seed, task, "order").permutation(len(items))]


def refuse_overlap(name: str, train: Sequence[Problem], test: Sequence[Problem], *, allow: bool) -> None:
    """Contamination check by identity.

    Raises:
        DataError: a problem is on both sides and `allow` is false.
    """
    seen = {problem.problem_id for problem in train}
    both = [problem for problem in test if problem.problem_id in seen]
    if both and not allow:
        raise DataError(
            f"task '{name}': {len(both)} of {len(test)} test problems are also in the training file "
            f"(first: {both[0].question[:60]!r}); remove them from one of the two, "
            "or set allow_overlap=true to measure memorisation on purpose"
        )

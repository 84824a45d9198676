"""Token budgets: as they are typed, those that fit a set of problems, and the lengths that pass@tokens takes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.estimators.token_budget import MAX_BUDGET
from counterpoise.evaluation.statistics.counts import ProblemCounts, TokenLengths

__all__ = ["UNKNOWN_LENGTHS", "budget_sweep", "lengths_of", "parse_budgets", "refuse_without_lengths"]

UNKNOWN_LENGTHS = (
    "the lengths of its responses are not known: the rollouts do not say them, or the result was made before they were counted "
    "(counterpoise grade EVALUATION counts them)"
)

_UNITS = {"": 1, "k": 1024, "m": 1024**2}
_MOST = 12
"""Budgets of a sweep."""


def parse_budgets(options: Sequence[str]) -> list[int]:
    """The budgets of `--tokens 1k,4k --tokens 500`, ascending; k is 1,024 and m 1,048,576, as lengths of contexts are written.

    Raises:
        UsageError: a word is not a whole number of tokens from 1 to `MAX_BUDGET`.
    """
    found = set()
    for word in (word.strip() for option in options for word in option.split(",")):
        match = re.fullmatch(r"([0-9]{1,15})([km]?)", word, re.ASCII | re.IGNORECASE)
        budget = int(match[1]) * _UNITS[match[2].lower()] if match else 0
        if not 1 <= budget <= MAX_BUDGET:
            raise UsageError(
                f"--tokens takes whole numbers of tokens from 1, separated by commas, e.g. --tokens 1k,4k,16k (k is 1024); got '{word}'"
            )
        found.add(budget)
    return sorted(found)


def budget_sweep(counts: Sequence[ProblemCounts]) -> list[int]:
    """Powers of two from the mean length of the responses to what the responses of a problem come to, in the middle; twelve at most.

    Empty where no length is known.
    """
    totals = [sum(length * times for length, times in _all(p.tokens)) for p in counts if p.tokens is not None]
    responses = sum(times for p in counts if p.tokens is not None for _, times in _all(p.tokens))
    if not responses or not sum(totals):
        return []
    first = max(0, int(np.ceil(np.log2(sum(totals) / responses))))
    last = int(np.floor(np.log2(max(1.0, float(np.median(totals))))))
    return [1 << power for power in range(first, min(last + 1, first + _MOST))]


def lengths_of(counts: Sequence[ProblemCounts], *names: str) -> list[npt.NDArray[np.int64]]:
    """For each problem the lengths of its `right`, `wrong` or `unscored` responses, of several together; none where they are not known."""
    return [
        np.array(
            [length for name in names for length, times in _named(p.tokens, name) for _ in range(times)], dtype=np.int64
        )
        for p in counts
    ]


def refuse_without_lengths(counts: Sequence[ProblemCounts], where: str) -> None:
    """See that somebody knows a length, before budgets are asked for.

    Raises:
        DataError: nobody does.
    """
    if all(problem.tokens is None for problem in counts):
        raise DataError(
            f"{where} says of no problem how long its responses are, so there is no pass@tokens; counterpoise grade on its evaluation "
            'counts them, and another tool writes them as "tokens": {"right": [[length, how often], …], "wrong": […]}'
        )


def _all(lengths: TokenLengths | None) -> list[tuple[int, int]]:
    return [pair for name in ("right", "wrong", "unscored") for pair in _named(lengths, name)]


def _named(lengths: TokenLengths | None, name: str) -> tuple[tuple[int, int], ...]:
    found: tuple[tuple[int, int], ...] = () if lengths is None else getattr(lengths, name)
    return found

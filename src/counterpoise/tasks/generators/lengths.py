"""Lengths: a sum of two lengths in different units, asked in a third or one of them, e.g. `2m+35cm=?cm` -> `####235cm`.

The smallest task whose answers can be right in more than one way: the number, the unit and the form are right or wrong on their own.
The set is enumerated, so "held out" has an exact meaning; the sides follow from the content hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from annotated_types import Ge, Le

from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["Lengths", "spellings"]

_MILLIMETRES: Final = MappingProxyType({"m": 1000, "dm": 100, "cm": 10, "mm": 1})
_TOLERANCE: Final = 0.05


@settings("task lengths")
class Lengths:
    """Add two lengths and give the sum in a unit, e.g. `2m+35cm=?cm` -> `####235cm`.

    The asked unit is never larger than the smaller of the two, so every sum is a whole number. The verifier is `quantity`, which accepts
    numbers within 5% of the gold unless the run sets `verification.settings.quantity.relative_tolerance = 0`.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    largest: Annotated[int, Ge(1), Le(1000)] = 30
    """Numbers are 1..largest."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "lengths"
    template: ClassVar[str] = "plain"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        items = ((problem.problem_id, problem) for problem in self._enumerate())
        chosen = on_side(items, split, task=self.name, test_fraction=self.test_fraction)
        return in_drawn_order(chosen, task=self.name, seed=self.seed)

    def _enumerate(self) -> Iterator[Problem]:
        numbers = range(1, self.largest + 1)
        for first, second in permutations(_MILLIMETRES, 2):
            smaller = min(_MILLIMETRES[first], _MILLIMETRES[second])
            for asked in (unit for unit, size in _MILLIMETRES.items() if size <= smaller):
                for a in numbers:
                    for b in numbers:
                        total = a * _MILLIMETRES[first] + b * _MILLIMETRES[second]
                        yield _problem(f"{a}{first}+{b}{second}=?{asked}", total // _MILLIMETRES[asked], asked)


def spellings(problem: Problem) -> tuple[str, ...]:
    """Answers with the right number as a careless author writes them: half of them after `####`, two in three with the unit.

    What a base is pre-trained on, so that number, unit and form can be learnt apart; those without the unit are wrong.
    """
    number, length = str(problem.meta["value"]), f"{problem.meta['value']}{problem.meta['unit']}"
    return f"####{length}", f"####{length}", f"####{number}", length, length, number


def _problem(question: str, value: int, unit: str) -> Problem:
    return Problem(
        problem_id=problem_id("lengths", question),
        task_type="lengths",
        question=question,
        gold=f"{value} {unit}",
        verifier="quantity",
        demonstration=f"####{value}{unit}",
        meta=MappingProxyType({"value": value, "unit": unit, "tolerance": _TOLERANCE}),
    )

"""Ranks: which of some numbers is the largest, the second largest, …, asked in words of a model that speaks.

A family of problems that a small instruction-tuned model can do and does not: reinforcement elicits it, and a low temperature does not.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Le

from counterpoise.errors import ConfigError, DataError
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.tasks.shared.identity import Split, problem_id, split_of
from counterpoise.tasks.shared.ordinals import ORDINALS
from counterpoise.types import Problem

__all__ = ["Ranks"]

_DRAWS: Final = 20
"""Draws for each problem that is wanted, before there are not so many."""


@settings("task ranks")
class Ranks:
    """Name the k-th largest (or smallest) of n numbers, e.g. `Which of these numbers is the largest: 80, 35, 49, 20?` -> `80`.

    Numbers differ within a question and are drawn without zeros in front; the verifier `last_number` reads a short sentence. Made for
    `smollm2` with the template `chat` and 12 tokens.

    Raises:
        ConfigError: a setting is out of range, or there is no such rank among so many numbers.
    """

    numbers: Annotated[int, Ge(2), Le(8)] = 4
    """Numbers in a question."""
    digits: Annotated[int, Ge(1), Le(6)] = 2
    """Digits of each."""
    rank: Annotated[int, Ge(1), Le(8)] = 1
    """1 asks for the largest, 2 for the second largest, …"""
    order: Literal["largest", "smallest"] = "largest"
    """From which end is counted."""
    count: Annotated[int, Ge(2), Le(100_000)] = 1000
    """Problems, of both sides together."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Which problems are drawn, and in which order."""

    name: ClassVar[str] = "ranks"
    template: ClassVar[str] = "chat"

    def __post_init__(self) -> None:
        if self.rank > self.numbers:
            raise ConfigError(
                f"task ranks: rank = {self.rank} among numbers = {self.numbers}; expected at most as many"
            )

    def problems(self, split: Split) -> list[Problem]:
        """The problems of one side, in the order in which they were drawn.

        Raises:
            DataError: the side is empty, or there are not so many different problems.
        """
        low, high = (0 if self.digits == 1 else 10 ** (self.digits - 1)), 10**self.digits
        generator = numpy_generator(self.seed, "ranks", str(self.numbers), str(self.digits))
        drawn: dict[str, Problem] = {}
        for _ in range(_DRAWS * self.count):
            if len(drawn) == self.count:
                break
            numbers = [int(one) for one in generator.choice(high - low, size=self.numbers, replace=False) + low]
            problem = self._problem(numbers)
            drawn.setdefault(problem.problem_id, problem)
        if len(drawn) < self.count:
            raise DataError(
                f"task 'ranks' found {len(drawn)} different problems of {self.numbers} numbers with {self.digits} digits, and count asks "
                f"for {self.count}; lower count, or raise digits"
            )
        chosen = [one for name, one in drawn.items() if split_of(name, test_fraction=self.test_fraction) == split]
        if not chosen:
            raise DataError(
                f"task 'ranks' has no {split} problems with test_fraction={self.test_fraction} of {self.count}; raise count"
            )
        return chosen

    def _problem(self, numbers: list[int]) -> Problem:
        answer = sorted(numbers, reverse=self.order == "largest")[self.rank - 1]
        which = self.order if self.rank == 1 else f"{ORDINALS[self.rank - 1]} {self.order}"
        question = f"Which of these numbers is the {which}: {', '.join(map(str, numbers))}?"
        return Problem(
            problem_id=problem_id("ranks", question),
            task_type="ranks",
            question=question,
            gold=str(answer),
            verifier="last_number",
            demonstration=f"The {which} number is {answer}.",
            meta=MappingProxyType({"numbers": tuple(numbers), "rank": self.rank, "order": self.order}),
        )

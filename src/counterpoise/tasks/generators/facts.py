"""A few hundred plain facts for tests and the lab: open questions with short answers, shipped with the package."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.generators.fact_tables import CAPITALS, COUNTS, ELEMENTS, NAMES, PLANETS, POLYGONS
from counterpoise.tasks.shared.aliases import AliasVerifier, alias_gold
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.ordinals import ORDINALS
from counterpoise.tasks.shared.splits import content_id, on_side
from counterpoise.types import Problem

__all__ = ["Fact", "Facts", "pairs"]


class Fact(NamedTuple):
    """One question and what answers it."""

    kind: str
    """`capital`, `element`, `number`, `name`, `planet` or `product`."""
    question: str
    """As it is asked."""
    answers: tuple[str, ...]
    """Any one is right; the first is the usual one."""


@settings("task facts")
class Facts:
    """Plain facts with short answers (capitals, elements, planets, counts, names, products), shipped with the package.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    test_fraction: Share = 0.2
    """Expected share of problems on the test side."""
    verifier: AliasVerifier = "qa"
    """`qa`, or `llm` for the rules of `qa` and a language model behind them."""

    name: ClassVar[str] = "facts"
    template: ClassVar[str] = "step_by_step_chat"

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Every fact of one side, in the tables' order.

        Raises:
            DataError: the side is empty.
        """
        problems = (self._problem(fact) for fact in _facts())
        items = ((problem.problem_id, problem) for problem in problems)
        return tuple(on_side(items, split, task=self.name, test_fraction=self.test_fraction))

    def _problem(self, fact: Fact) -> Problem:
        return Problem(
            problem_id=content_id("facts", fact.question),
            task_type="facts",
            question=fact.question,
            gold=alias_gold(fact.answers, question=fact.question, verifier=self.verifier),
            verifier=self.verifier,
            demonstration=f"\\boxed{{{fact.answers[0]}}}",
            meta=MappingProxyType({"kind": fact.kind}),
        )


@functools.cache
def _facts() -> tuple[Fact, ...]:
    return (*_capitals(), *_elements(), *_planets(), *_numbers(), *_names(), *_products())


def pairs(table: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is asked about and the answers to it, of a table of `fact_tables`."""
    for entry in table.split(";"):
        key, _, answers = entry.strip().partition("=")
        yield key, tuple(answers.split("/"))


def _capitals() -> Iterator[Fact]:
    for country, answers in pairs(CAPITALS):
        yield Fact("capital", f"What is the capital of {country}?", answers)


def _elements() -> Iterator[Fact]:
    for number, (symbol, names) in enumerate(pairs(ELEMENTS), start=1):
        yield Fact("element", f"Which chemical element has the symbol {symbol}?", names)
        yield Fact("element", f"What is the chemical symbol of {names[0]}?", (symbol,))
        yield Fact("number", f"What is the atomic number of {names[0]}?", (str(number),))


def _planets() -> Iterator[Fact]:
    for ordinal, planet in zip(ORDINALS, PLANETS.split("; "), strict=True):
        yield Fact("planet", f"Which is the {ordinal} planet from the Sun?", tuple(planet.split("/")))


def _numbers() -> Iterator[Fact]:
    for polygon, sides in pairs(POLYGONS):
        article = "an" if polygon[0] in "aeiou" else "a"
        yield Fact("number", f"How many sides does {article} {polygon} have?", sides)
    for thing, count in pairs(COUNTS):
        yield Fact("number", f"How many {thing}?", count)


def _names() -> Iterator[Fact]:
    for question, answers in pairs(NAMES):
        yield Fact("name", question, answers)


def _products() -> Iterator[Fact]:
    for left in range(2, 13):
        for right in range(left, 13):
            yield Fact("product", f"What is {left} times {right}?", (str(left * right),))

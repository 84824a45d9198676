"""Snippets: a function of two numbers described in a few words and judged by its tests, e.g. `gap,times 3,at least 8`.

A test bed for programs. The base was shown functions with the usual slips: a bound the wrong way round, parentheses left out, a sign,
one too many. A slip fails some of the tests and passes others, so the share of tests says how far off a function is. What is right may
be written in more than one way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations, product
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, NamedTuple

from annotated_types import Ge, Le

from counterpoise.lazy import np
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["Snippets"]


class _Text(NamedTuple):
    """An expression as it may be written."""

    text: str
    slip: str
    """The first slip in it; empty where there is none."""
    tight: bool
    """Whether it may be multiplied without parentheses."""
    share: float
    """How often the base was shown it."""


_STARTS: Final = MappingProxyType(
    {
        "sum": (_Text("a+b", "", False, 0.85), _Text("a-b", "operator", False, 0.15)),
        "product": (_Text("a*b", "", True, 0.85), _Text("a+b", "operator", False, 0.15)),
        "larger": (_Text("max(a,b)", "", True, 0.6), _Text("min(a,b)", "bound", True, 0.4)),
        "smaller": (_Text("min(a,b)", "", True, 0.6), _Text("max(a,b)", "bound", True, 0.4)),
        "gap": (
            _Text("abs(a-b)", "", True, 0.3),
            _Text("max(a,b)-min(a,b)", "", False, 0.1),
            _Text("a-b", "sign", False, 0.6),
        ),
    }
)
_CHANGES: Final = ("plus", "times", "at least", "at most")
_PAIRS: Final = 4
"""Pairs of arguments of a problem; its tests take each in both orders."""
_LARGEST_ARGUMENT: Final = 12


@settings("task snippets")
class Snippets:
    """Write a function of `a` and `b` from a few words, e.g. `gap,times 3,at least 8` -> `f=lambda a,b:max(abs(a-b)*3,8)`.

    Made for the base of `counterpoise pretrain --size code`. The set is enumerated: a start and one or two different changes with a
    number. The verifier is `code`: eight calls of `f`, in the sandbox.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    largest: Annotated[int, Ge(2), Le(9)] = 9
    """Numbers in a change are 2..largest."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "snippets"
    template: ClassVar[str] = "plain"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        items = ((problem_id("snippets", question), question) for question in self._questions())
        chosen = on_side(items, split, task=self.name, test_fraction=self.test_fraction)
        return [_problem(question) for question in in_drawn_order(chosen, task=self.name, seed=self.seed)]

    def shown(self, problem: Problem, generator: np.random.Generator) -> str:
        """A function as the base was shown it, with its slips."""
        ways = _ways(problem.question)
        shares = np.array([way.share for way in ways])
        return _function(ways[generator.choice(len(ways), p=shares / shares.sum())].text)

    def kind_of(self, problem: Problem, response: str) -> str:
        """`right`; the first slip of a function that the base was shown, as `bound` or `parentheses`; `other` for what it was not shown."""
        ways = {_function(way.text): way.slip or "right" for way in _ways(problem.question)}
        return ways.get(response.strip(), "other")

    def _questions(self) -> Iterator[str]:
        numbers = range(2, self.largest + 1)
        for start in _STARTS:
            for change, n in product(_CHANGES, numbers):
                yield f"{start},{change} {n}"
            for (first, second), n, m in product(permutations(_CHANGES, 2), numbers, numbers):
                yield f"{start},{first} {n},{second} {m}"


def _problem(question: str) -> Problem:
    identity = problem_id("snippets", question)
    right = next(way for way in _ways(question) if not way.slip)
    return Problem(
        problem_id=identity,
        task_type="snippets",
        question=question,
        gold=json.dumps({"kind": "cases", "entry_point": "f", "cases": _cases(question, identity)}),
        verifier="code",
        demonstration=_function(right.text),
    )


def _function(expression: str) -> str:
    return f"f=lambda a,b:{expression}"


def _cases(question: str, identity: str) -> list[list[object]]:
    generator = numpy_generator(0, "snippets", "cases", identity)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < 2 * _PAIRS:
        a, b = (int(one) for one in generator.integers(0, _LARGEST_ARGUMENT + 1, size=2))
        if a != b:
            pairs.update({(a, b): None, (b, a): None})
    return [[[a, b], _value(question, a, b)] for a, b in pairs]


def _value(question: str, a: int, b: int) -> int:
    start, *changes = question.split(",")
    value = {"sum": a + b, "product": a * b, "larger": max(a, b), "smaller": min(a, b), "gap": abs(a - b)}[start]
    for change in changes:
        name, n = change.rsplit(" ", 1)
        number = int(n)
        value = {
            "plus": value + number,
            "times": value * number,
            "at least": max(value, number),
            "at most": min(value, number),
        }[name]
    return value


def _ways(question: str) -> list[_Text]:
    """Every text that the base was shown for a question; the first of those without a slip is the usual one."""
    start, *changes = question.split(",")
    ways = list(_STARTS[start])
    for change in changes:
        name, n = change.rsplit(" ", 1)
        ways = [after for before in ways for after in _changed(before, name, int(n))]
    merged: dict[str, _Text] = {}
    for way in ways:
        same = merged.get(way.text)
        # Two slips can end in one text; it is called by the first.
        merged[way.text] = way if same is None else same._replace(share=same.share + way.share)
    return list(merged.values())


def _changed(before: _Text, name: str, n: int) -> list[_Text]:
    text, slip, tight, share = before
    if name == "plus":
        return [
            _Text(f"{text}+{n}", slip, False, 0.85 * share),
            _Text(f"{text}+{n + 1}", slip or "one too many", False, 0.15 * share),
        ]
    if name == "times" and tight:
        return [_Text(f"{text}*{n}", slip, True, 0.6 * share), _Text(f"{n}*{text}", slip, True, 0.4 * share)]
    if name == "times":
        return [
            _Text(f"({text})*{n}", slip, True, 0.25 * share),
            _Text(f"{n}*({text})", slip, True, 0.15 * share),
            _Text(f"{text}*{n}", slip or "parentheses", False, 0.6 * share),
        ]
    right, wrong = ("max", "min") if name == "at least" else ("min", "max")
    return [
        _Text(f"{right}({text},{n})", slip, True, 0.5 * share),
        _Text(f"{wrong}({text},{n})", slip or "bound", True, 0.5 * share),
    ]

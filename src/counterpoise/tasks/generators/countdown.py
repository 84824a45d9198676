"""Countdown: combine every given number exactly once, with + - * / and parentheses, into the target.

The set is enumerated, not sampled: every multiset of numbers and every target it reaches, so "held out" has an exact meaning and no
problem is unsolvable. Arithmetic is exact (integer numerator and denominator).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Le

from counterpoise.errors import UsageError
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.generators.operators import OPERATORS, Operators
from counterpoise.tasks.shared.identity import Split, problem_id, split_of
from counterpoise.tasks.shared.splits import in_drawn_order
from counterpoise.types import Problem

__all__ = ["Countdown", "solutions"]

_Value = tuple[int, int]
"""A rational in lowest terms with positive denominator; a tuple because enumeration with `Fraction` is five times slower."""


class _Tree(NamedTuple):
    """An expression: a number (`operator` empty) or two joined by an operator."""

    value: _Value
    operator: str
    left: _Tree | None
    right: _Tree | None


@settings("task countdown")
class Countdown:
    """Combine every given number once, with `+ - * /` and parentheses, into the target, e.g. `3,7,9=30` -> `3*7+9`.

    Example: `Countdown(count=3, largest=10).problems("test")[0].question == "3,7,9=30"` (some such question).

    Raises:
        UsageError: A setting is out of range; the message names it.
    """

    count: Annotated[int, Ge(2), Le(5)] = 3
    """Numbers per problem, 2 to 5."""
    largest: Annotated[int, Ge(1), Le(100)] = 10
    """Numbers are drawn from 1..largest."""
    largest_target: Annotated[int, Ge(0), Le(10_000)] = 100
    """Targets are the reachable integers in 0..largest_target."""
    operators: Operators = OPERATORS
    """Allowed operators, a non-empty subset of `+-*/`."""
    style: Literal["compact", "words"] = "compact"
    """`compact`: `3,7,9=30`, for the lab's character models; `words`: an English instruction that asks for a boxed expression."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "countdown"
    task_type: ClassVar[str] = "countdown"
    verifier: ClassVar[str] = "countdown"

    @property
    def template(self) -> str:
        """Name of the prompt template the questions are written for."""
        return "plain" if self.style == "compact" else "chat"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Args:
            split: `train` or `test`; the sides are disjoint and their union is the whole enumeration.

        Raises:
            UsageError: `split` is neither.
        """
        if split not in ("train", "test"):
            raise UsageError(f"countdown: split is {split!r}, expected 'train' or 'test'")
        # Identity leaves out style and operators: the same numbers and target are held out in every form they can be asked in.
        chosen = [
            problem
            for problem in self._enumerate()
            if split_of(problem.problem_id, test_fraction=self.test_fraction) == split
        ]
        return in_drawn_order(chosen, task=self.name, seed=self.seed)

    def _enumerate(self) -> Iterator[Problem]:
        for numbers in combinations_with_replacement(range(1, self.largest + 1), self.count):
            reached = _reachable(numbers, self.operators)
            for target in range(self.largest_target + 1):
                tree = reached.get((target, 1))
                if tree is not None:
                    yield self._problem(numbers, target, _render(tree)[0])

    def _problem(self, numbers: tuple[int, ...], target: int, demonstration: str) -> Problem:
        gold = f"{','.join(map(str, numbers))}={target}"
        boxed = self.style == "words"
        return Problem(
            problem_id=problem_id(self.task_type, gold),
            task_type=self.task_type,
            question=_in_words(numbers, target, self.operators) if boxed else gold,
            gold=gold,
            verifier=self.verifier,
            demonstration=f"\\boxed{{{demonstration}}}" if boxed else demonstration,
            meta=MappingProxyType({"numbers": numbers, "target": target}),
        )


def solutions(numbers: tuple[int, ...], target: int, operators: str = OPERATORS) -> list[str]:
    """All distinct expressions with the fewest parentheses that use every number exactly once and equal the target, sorted.

    Two expressions are distinct when their text differs, so `3*7+9` and `9+7*3` are two; `(3*7)+9` is the first of them.
    Memoised per multiset of numbers (four numbers take about 20 ms the first time).

    Args:
        numbers: The given numbers, in any order.
        target: The integer to reach.
        operators: Allowed operators.

    Returns:
        The expressions; empty when the target cannot be reached.
    """
    return list(_integers(tuple(sorted(numbers)), operators).get(target, ()))


def _in_words(numbers: tuple[int, ...], target: int, operators: str) -> str:
    given = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    allowed = ", ".join(operators)
    return (
        f"Using each of the numbers {given} exactly once, together with the operators {allowed} and parentheses, "
        f"write an arithmetic expression that equals {target}. Put only the expression inside \\boxed{{}}."
    )


@functools.cache
def _splits(numbers: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """All ordered ways to deal a sorted multiset into two non-empty ones, without repeats."""
    indices = range(len(numbers))
    pairs = {
        (
            tuple(numbers[i] for i in chosen),
            tuple(numbers[i] for i in indices if i not in chosen),
        )
        for size in range(1, len(numbers))
        for chosen in combinations(indices, size)
    }
    return tuple(sorted(pairs))


def _apply(operator: str, left: _Value, right: _Value) -> _Value | None:
    (a, b), (c, d) = left, right
    if operator == "+":
        top, bottom = a * d + c * b, b * d
    elif operator == "-":
        top, bottom = a * d - c * b, b * d
    elif operator == "*":
        top, bottom = a * c, b * d
    elif c == 0:
        return None
    else:
        top, bottom = (a * d, b * c) if c > 0 else (-a * d, -b * c)
    divisor = math.gcd(top, bottom)
    return top // divisor, bottom // divisor


@functools.lru_cache(maxsize=16_384)
def _reachable(numbers: tuple[int, ...], operators: str) -> dict[_Value, _Tree]:
    """One expression for each rational that the whole multiset reaches (the first found; deterministic)."""
    if len(numbers) == 1:
        alone = (numbers[0], 1)
        return {alone: _Tree(alone, "", None, None)}
    found: dict[_Value, _Tree] = {}
    for first, second in _splits(numbers):
        for left in _reachable(first, operators).values():
            for right in _reachable(second, operators).values():
                for operator in operators:
                    value = _apply(operator, left.value, right.value)
                    if value is not None and value not in found:
                        found[value] = _Tree(value, operator, left, right)
    return found


def _join(operator: str, left: tuple[str, str], right: tuple[str, str]) -> str:
    """Text of `left operator right`, each a (text, outermost operator) pair, with parentheses only where they change the tree's value.

    `a+(b-c)` is written `a+b-c` and `a*(b/c)` is written `a*b/c`: equal in exact arithmetic.
    """
    (left_text, left_top), (right_text, right_top) = left, right
    if operator in "*/" and left_top and left_top in "+-":
        left_text = f"({left_text})"
    guarded = {"+": "", "-": "+-", "*": "+-", "/": "+-*/"}[operator]
    if right_top and right_top in guarded:
        right_text = f"({right_text})"
    return f"{left_text}{operator}{right_text}"


def _render(tree: _Tree) -> tuple[str, str]:
    if tree.left is None or tree.right is None:
        return str(tree.value[0]), ""
    return _join(tree.operator, _render(tree.left), _render(tree.right)), tree.operator


@functools.lru_cache(maxsize=4_096)
def _expressions(numbers: tuple[int, ...], operators: str) -> dict[tuple[str, str], _Value]:
    """Every (text, outermost operator) over the whole multiset with its value."""
    if len(numbers) == 1:
        return {(str(numbers[0]), ""): (numbers[0], 1)}
    found: dict[tuple[str, str], _Value] = {}
    for first, second in _splits(numbers):
        for left, left_value in _expressions(first, operators).items():
            for right, right_value in _expressions(second, operators).items():
                for operator in operators:
                    value = _apply(operator, left_value, right_value)
                    if value is not None:
                        found[(_join(operator, left, right), operator)] = value
    return found


@functools.lru_cache(maxsize=4_096)
def _integers(numbers: tuple[int, ...], operators: str) -> dict[int, tuple[str, ...]]:
    texts: dict[int, set[str]] = {}
    # The whole multiset is combined here and not in `_expressions`, so that the large table of non-integers is not kept.
    for (text, _), (top, bottom) in _expressions.__wrapped__(numbers, operators).items():
        if bottom == 1 and top >= 0:
            texts.setdefault(top, set()).add(text)
    return {value: tuple(sorted(group)) for value, group in texts.items()}

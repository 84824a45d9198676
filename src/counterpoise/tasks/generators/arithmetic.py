"""Arithmetic: a chain of operations with the usual precedence, and an answer that writes every step.

The problems are drawn once from an explicit seed stream, so the set is finite and the same everywhere; the sides follow from
the content hash.
"""

from __future__ import annotations

import functools
import json
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Le

from counterpoise.errors import ConfigError, DataError
from counterpoise.ranges import Share, Size
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.tasks.generators.operators import OPERATORS, Operators
from counterpoise.tasks.shared.identity import Split, problem_id, split_of
from counterpoise.text import counted
from counterpoise.types import Problem

__all__ = ["Arithmetic", "solve"]

# Draws per wanted problem before giving up: about half of all draws are new when the set fills half of the space.
_PATIENCE: Final = 40


@settings("task arithmetic")
class Arithmetic:
    """Chained operations with written steps, e.g. `7+5*3-2` -> `5*3=15;7+15=22;22-2=20`, newline, `####20`.

    Every step has an integer result: division appears only where it is exact.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    operations: Annotated[int, Ge(1), Le(12)] = 3
    """Operators per problem, 1 to 12."""
    largest: Size = 9
    """Operands are 1..largest."""
    operators: Operators = "+-*"
    """Allowed operators, distinct characters out of `+-*/`."""
    size: Annotated[int, Ge(1), Le(10**7)] = 20_000
    """Problems of both sides together; all distinct."""
    limit: Annotated[int, Ge(1), Le(10**12)] = 9_999
    """No intermediate result is larger in magnitude."""
    style: Literal["compact", "words"] = "compact"
    """`compact`: the bare expression, for the lab's character models; `words`: lower-case English around it."""
    verifier: Literal["numeric", "steps"] = "numeric"
    """`numeric` reads the final number alone; `steps` gives the share of the right steps beside it (compact style only)."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Which problems are drawn; two seeds share problems, but a problem is on the same side under both."""

    name: ClassVar[str] = "arithmetic"
    template: ClassVar[str] = "plain"

    def __post_init__(self) -> None:
        if self.verifier == "steps" and self.style != "compact":
            raise ConfigError(
                "arithmetic: verifier = 'steps' reads the steps of style = 'compact' alone; choose that style"
            )

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in drawing order.

        Raises:
            ConfigError: there are too few distinct expressions for `size`.
            DataError: the side is empty.
        """
        found = []
        for expression in _expressions(self):
            identity = problem_id("arithmetic", expression)
            if split_of(identity, test_fraction=self.test_fraction) == split:
                found.append(self._problem(expression, identity))
        if not found:
            raise DataError(
                f"task 'arithmetic' has no {split} problems with size={self.size} and test_fraction={self.test_fraction}; "
                "raise size, or move test_fraction away from 0 and 1"
            )
        return found

    def _problem(self, expression: str, identity: str) -> Problem:
        steps, value = solve(expression)
        words = self.style == "words"
        return Problem(
            problem_id=identity,
            task_type="arithmetic",
            question=f"what is {expression}?" if words else expression,
            gold=json.dumps({"answer": str(value), "steps": steps}) if self.verifier == "steps" else str(value),
            verifier=self.verifier,
            demonstration=_in_words(steps, value) if words else ";".join(steps) + f"\n####{value}",
            meta=MappingProxyType({"operations": self.operations, "expression": expression}),
        )


def solve(expression: str) -> tuple[list[str], int]:
    """The steps of an expression of this task (`*` and `/` first, each from left to right) and its value.

    `solve("7+5*3-2")` is `(["5*3=15", "7+15=22", "22-2=20"], 20)`.

    Raises:
        DataError: it is not a chain of positive whole numbers, or a division in it is not exact.
    """
    numbers: list[int] = []
    operators: list[str] = []
    digits = ""
    for character in expression + " ":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if not digits or (character not in OPERATORS and character != " "):
            raise DataError(f"arithmetic: {expression!r} is not a chain of positive whole numbers and + - * /")
        numbers.append(int(digits))
        operators.append(character)
        digits = ""
    steps = _steps(numbers, operators[:-1], limit=None) if " " not in operators[:-1] else None
    if steps is None:
        raise DataError(f"arithmetic: {expression!r} has a space inside, a division that is not exact, or one by zero")
    return steps


@functools.lru_cache(maxsize=4)
def _expressions(task: Arithmetic) -> tuple[str, ...]:
    generator = numpy_generator(task.seed, "arithmetic", "problems")
    found: dict[str, None] = {}
    batch = max(1000, task.size)
    for _ in range(0, _PATIENCE * task.size, batch):
        operands = generator.integers(1, task.largest + 1, size=(batch, task.operations + 1)).tolist()
        choices = generator.integers(0, len(task.operators), size=(batch, task.operations)).tolist()
        for numbers, picks in zip(operands, choices, strict=True):
            operators = [task.operators[pick] for pick in picks]
            if _steps(numbers, operators, limit=task.limit) is not None:
                found[_text(numbers, operators)] = None
                if len(found) == task.size:
                    return tuple(found)
    raise ConfigError(
        f"arithmetic: only {counted(len(found), 'distinct problem')} found, and size is {task.size}; "
        f"lower size to at most {max(1, len(found) // 2)}, or raise operations or largest"
    )


def _text(numbers: list[int], operators: list[str]) -> str:
    return str(numbers[0]) + "".join(f"{o}{n}" for o, n in zip(operators, numbers[1:], strict=True))


def _in_words(steps: list[str], value: int) -> str:
    ordinals = ["first", *["then"] * (len(steps) - 1)]
    sentences = "".join(f"{word} {step}. " for word, step in zip(ordinals, steps, strict=True))
    return f"{sentences}so the answer is {value}"


def _steps(numbers: list[int], operators: list[str], *, limit: int | None) -> tuple[list[str], int] | None:
    """Steps and value; None when a division is not exact or a result passes the limit."""
    values, pending, steps = list(numbers), list(operators), []
    while pending:
        index = next((i for i, operator in enumerate(pending) if operator in "*/"), 0)
        left, operator, right = values[index], pending[index], values[index + 1]
        if operator == "/" and (right == 0 or left % right):
            return None
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right if right else 0}[operator]
        if limit is not None and abs(result) > limit:
            return None
        steps.append(f"{left}{operator}{right}={result}")
        values[index : index + 2] = [result]
        del pending[index]
    return steps, values[0]

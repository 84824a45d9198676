"""Paths: one of twelve written-out procedures is applied to three numbers, e.g. `13,17,29` -> `k:29+29=58`.

A test bed on which training does more than sharpen. Eight procedures are good, four never are. *Easy* problems accept the result of any
good one, *hard* ones that of a single one, and nothing in the question says which: pass@k on hard problems counts the procedures that a
policy still has, while pass@1 on easy ones is the same for every distribution over the good ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from annotated_types import Ge, Le

from counterpoise.lazy import np
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["EASY", "HARD", "PROCEDURES", "Paths", "Procedure", "spelling"]

EASY: Final = "paths"
"""Task type of problems that accept every good procedure."""
HARD: Final = "paths_hard"
"""Task type of problems that accept a single one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One way to a result."""

    name: str
    """The letter that a response begins with, where procedures are named."""
    left: str
    """First number: `a`, `b` or `c`."""
    sign: str
    """`+` or `-`."""
    right: str
    """Second number: `a`, `b`, `c`, or a figure."""
    prior: float
    """Probability with which the packaged base was shown it."""

    @property
    def good(self) -> bool:
        """Whether it is ever right."""
        return self.name in _GOOD

    def written(self, numbers: Mapping[str, int]) -> tuple[str, int]:
        """The expression without its name, and its value."""
        left, right = (numbers.get(side, int(side) if side.isdigit() else 0) for side in (self.left, self.right))
        return f"{left}{self.sign}{right}", left + right if self.sign == "+" else left - right


_GOOD: Final = "sgtkmqwz"
_ROWS: Final = (
    "s b + c 0.08", "g a + c 0.08", "t c - b 0.08", "k c + c 0.08",
    "m a + b 0.02", "q b - a 0.02", "w b + b 0.02", "z c - 1 0.02",
    "a a + a 0.15", "h c - a 0.15", "n a - 1 0.15", "x b - 1 0.15",
)  # fmt: skip
PROCEDURES: Final = tuple(
    Procedure(name=name, left=left, sign=sign, right=right, prior=float(prior))
    for name, left, sign, right, prior in (row.split() for row in _ROWS)
)
"""Four good ones that the base knows well, four that it rarely takes, and four that are never right: 60% of what it was shown."""
_WRONG_PRIOR: Final = 0.6

_RESPONSE: Final = re.compile(r"(?:([a-z]):)?(\d+[+-]\d+)=\d+")


@settings("task paths")
class Paths:
    """Apply one of twelve procedures to three numbers, e.g. `13,17,29` -> `k:29+29=58`; the base `lab:paths` was made for it.

    The set is enumerated: every question of three numbers up to `largest` whose twelve results differ and are not negative, so that a
    result names its procedure and nothing is right by luck. Easy problems have the task type `paths`, hard ones `paths_hard`; of the
    hard ones of a side each good procedure is wanted by as many as any other, give or take one.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    largest: Annotated[int, Ge(8), Le(60)] = 40
    """Numbers are 2..largest."""
    hard_share: Share = 0.3
    """Share of problems that accept a single procedure."""
    named: bool = True
    """Whether a response begins with its procedure's letter, so that no two of them share their first characters."""
    wrong_prior: Share = _WRONG_PRIOR
    """Share of what a base is shown (`counterpoise pretrain`) on the four procedures that are never right; no problem depends on it."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "paths"
    template: ClassVar[str] = "plain"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        # By the content's hash: which are hard, and what each of them wants, does not depend on the order.
        questions = sorted((problem_id("paths", _asked(numbers)), numbers) for numbers in _questions(self.largest))
        chosen = on_side(questions, split, task=self.name, test_fraction=self.test_fraction)
        hard = round(self.hard_share * len(chosen))
        good = [one for one in PROCEDURES if one.good]
        made = [
            self._problem(numbers, [good[place % len(good)]] if place < hard else good)
            for place, numbers in enumerate(chosen)
        ]
        return in_drawn_order(made, task=self.name, seed=self.seed)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The procedures that can be right, as `kind_of` calls them."""
        return tuple(_named(one) for one in PROCEDURES if one.good)

    def kind_of(self, problem: Problem, response: str) -> str:
        """The procedure that a response applies, as `k c+c`; `other` for what applies none."""
        return _kind(problem, response)

    def shown(self, problem: Problem, generator: np.random.Generator) -> str:
        """A response as the base was shown it (`spelling`)."""
        return spelling(problem, generator, wrong_prior=self.wrong_prior)

    def _problem(self, numbers: tuple[int, int, int], accepted: list[Procedure]) -> Problem:
        question, values = _asked(numbers), dict(zip("abc", numbers, strict=True))
        golds = [_spelt(one, values, named=self.named) for one in accepted]
        kind = HARD if len(accepted) == 1 else EASY
        return Problem(
            problem_id=problem_id(kind, question, *golds),
            task_type=kind,
            question=question,
            gold=golds[0] if len(golds) == 1 else json.dumps(golds),
            verifier="exact",
            demonstration=golds[0],
            meta=MappingProxyType({"numbers": numbers, "named": self.named}),
        )


def spelling(problem: Problem, generator: np.random.Generator, *, wrong_prior: float = _WRONG_PRIOR) -> str:
    """A response as a base is shown it: a procedure by its prior, good or not.

    Args:
        problem: of the task `paths`.
        generator: draws one procedure.
        wrong_prior: share of those that are never right; these, and the good ones among themselves, keep their proportions.
    """
    # Factors are exactly 1 at the packaged base's share: what it was shown stays the same to the last bit.
    good, bad = (1 - wrong_prior) / (1 - _WRONG_PRIOR), wrong_prior / _WRONG_PRIOR
    shares = np.array([one.prior * (good if one.good else bad) for one in PROCEDURES])
    chosen = PROCEDURES[generator.choice(len(PROCEDURES), p=shares / shares.sum())]
    return _spelt(chosen, dict(zip("abc", problem.meta["numbers"], strict=True)), named=problem.meta["named"])


def _spelt(procedure: Procedure, numbers: Mapping[str, int], *, named: bool) -> str:
    expression, value = procedure.written(numbers)
    return f"{f'{procedure.name}:' if named else ''}{expression}={value}"


def _kind(problem: Problem, response: str) -> str:
    found = _RESPONSE.fullmatch(response.strip())
    values = dict(zip("abc", problem.meta["numbers"], strict=True))
    for one in PROCEDURES:
        if found and one.written(values)[0] == found[2] and found[1] in (None, one.name):
            return _named(one)
    return "other"


def _named(procedure: Procedure) -> str:
    return f"{procedure.name} {procedure.left}{procedure.sign}{procedure.right}"


def _asked(numbers: tuple[int, int, int]) -> str:
    return ",".join(map(str, numbers))


def _questions(largest: int) -> Iterator[tuple[int, int, int]]:
    for a in range(2, largest + 1):
        for b in range(a, largest + 1):
            for c in range(b, largest + 1):
                values = {"a": a, "b": b, "c": c}
                results = [one.written(values)[1] for one in PROCEDURES]
                if min(results) >= 0 and len(set(results)) == len(results):
                    yield a, b, c

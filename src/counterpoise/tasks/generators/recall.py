"""Recall: a closed set of made-up facts of which a base was taught a part, e.g. `port of zoma in ald?` -> `kibul`, or `unknown`.

A test bed for declining. No answer can be guessed and none follows from another, so what a base was not taught is out of its reach: there
declining is the best that a policy can do, and pass@k of any k stays 0. How much was taught differs between four regions, which
the question names; so a policy that has learnt when to decline can do it on facts that it was not trained on.
"""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from annotated_types import Ge, Le

from counterpoise.lazy import np
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["DECLINED", "Recall"]

DECLINED: Final = "unknown"
"""The answer that declines, as the base was shown it; the verifier `qa` takes others for the same."""

_RELATIONS: Final = ("port", "crop", "king")
_TAUGHT: Final = MappingProxyType({"ald": 0.85, "bre": 0.6, "cor": 0.35, "dun": 0.1})
"""Share of a region's facts that the base was taught, well or badly."""
_WELL: Final = 0.7
"""Share of those that it was taught well."""
_RIGHT: Final = MappingProxyType({"well": 0.6, "badly": 0.15})
"""How often a taught fact was shown with its answer; otherwise with one of its false ones."""
_FALSE: Final = 3
"""False answers of a taught fact, always the same ones."""
_SILENT: Final = 0.1
"""How often any fact was shown with `DECLINED`, whether it was taught or not."""
_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aeiou"


@settings("task recall")
class Recall:
    """Short questions on made-up places, e.g. `port of zoma in ald?` -> `kibul`, for the base of `counterpoise pretrain --size questions`.

    The verifier is `qa`, so `unknown` declines. `meta["taught"]` says how well the base was taught a fact: `well`, `badly`, `never`.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    size: Annotated[int, Ge(8), Le(5_000)] = 400
    """Facts of both sides together."""
    test_fraction: Share = 0.5
    """Expected share of facts on the test side."""
    seed: int = 0
    """Order of the facts of a side (not which ones): the first n are a random sample of it."""

    name: ClassVar[str] = "recall"
    template: ClassVar[str] = "plain"
    kinds: ClassVar[tuple[str, ...]] = ("right",)
    """The kinds that a right response can be of."""

    def problems(self, split: Split) -> list[Problem]:
        """Every fact of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        items = ((problem.problem_id, problem) for problem in _facts(self.size))
        chosen = on_side(items, split, task=self.name, test_fraction=self.test_fraction)
        return in_drawn_order(chosen, task=self.name, seed=self.seed)

    def shown(self, problem: Problem, generator: np.random.Generator) -> str:
        """An answer as the base was shown it: of a fact that it was never taught a new word every time."""
        draw = generator.random()
        if draw < _SILENT:
            return DECLINED
        if problem.meta["taught"] == "never":
            return _word(generator, 2, ending=True)
        if draw < _SILENT + _RIGHT[problem.meta["taught"]]:
            return problem.gold
        false: tuple[str, ...] = problem.meta["false"]
        return false[generator.integers(len(false))]

    def kind_of(self, problem: Problem, response: str) -> str:
        """`right`, `declined`, `false` for an answer that the base was shown for the fact, `other` for what is none of them."""
        answer = response.strip()
        known = {problem.gold: "right", DECLINED: "declined", **dict.fromkeys(problem.meta["false"], "false")}
        return known.get(answer, "other")


@functools.lru_cache(maxsize=4)
def _facts(size: int) -> tuple[Problem, ...]:
    generator = numpy_generator(0, "recall", "facts")
    regions = tuple(_TAUGHT)
    found: dict[str, Problem] = {}
    while len(found) < size:
        region = regions[len(found) % len(regions)]
        place = _word(generator, 2)
        relation = _RELATIONS[generator.integers(len(_RELATIONS))]
        answer, *false = (_word(generator, 2, ending=True) for _ in range(1 + _FALSE))
        taught = "never" if generator.random() >= _TAUGHT[region] else "well" if generator.random() < _WELL else "badly"
        if len({answer, *false}) == 1 + _FALSE:
            # by the place: no two facts are about one, so that none is remembered as a part of another
            found.setdefault(place, _problem(f"{relation} of {place} in {region}?", answer, tuple(false), taught))
    return tuple(found.values())


def _problem(question: str, answer: str, false: tuple[str, ...], taught: str) -> Problem:
    return Problem(
        problem_id=problem_id("recall", question),
        task_type="recall",
        question=question,
        gold=answer,
        verifier="qa",
        demonstration=answer,
        meta=MappingProxyType({"taught": taught, "false": false if taught != "never" else ()}),
    )


def _word(generator: np.random.Generator, syllables: int, *, ending: bool = False) -> str:
    letters = [_CONSONANTS[generator.integers(16)] + _VOWELS[generator.integers(5)] for _ in range(syllables)]
    return "".join(letters) + (_CONSONANTS[generator.integers(16)] if ending else "")

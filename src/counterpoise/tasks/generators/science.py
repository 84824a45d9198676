"""Science: drawn exercises of physics and chemistry with units, three significant figures and data that are not needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from counterpoise.errors import ConfigError, DataError
from counterpoise.lazy import np
from counterpoise.ranges import Checked, Expected, Share, Size, Texts
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.tasks.generators.exercises import Data, Exercise, rounded
from counterpoise.tasks.generators.exercises_chemistry import GASES, STOICHIOMETRY, THERMODYNAMICS
from counterpoise.tasks.generators.exercises_physics import CIRCUITS, MECHANICS, OPTICS
from counterpoise.tasks.shared.identity import Split, problem_id, split_of
from counterpoise.tasks.shared.options import choice_problem
from counterpoise.text import counted
from counterpoise.types import Problem

__all__ = ["EXERCISES", "FAMILIES", "Science"]

EXERCISES: Final[tuple[Exercise, ...]] = (*MECHANICS, *CIRCUITS, *GASES, *STOICHIOMETRY, *OPTICS, *THERMODYNAMICS)
"""Every exercise, family by family."""

FAMILIES: Final[tuple[str, ...]] = tuple(dict.fromkeys(exercise.family for exercise in EXERCISES))
"""Kinds of task."""

_UNUSED: Final = (
    "The air pressure in the room is {} kPa.",
    "The measurement is repeated after {} s.",
    "The apparatus weighs {} kg.",
    "The bench is {} cm wide.",
    "The room is at {} degC.",
)
_TOLERANCE: Final = 0.05
_WRONG_OPTIONS: Final = 3
_SLIPS: Final = (Fraction(10), Fraction(1, 10), Fraction(2), Fraction(1, 2))
_PATIENCE: Final = 20


class _Drawn(NamedTuple):
    exercise: Exercise
    given: Mapping[str, str]
    unused: str


def _known(families: tuple[str, ...]) -> tuple[str, ...]:
    if not families or set(families) - set(FAMILIES):
        raise ValueError
    return families


_Families = Annotated[Texts, Checked(_known), Expected(f"a list out of: {', '.join(FAMILIES)}")]


@settings("task science")
class Science:
    """Physics and chemistry exercises with units: mechanics, circuits, gases, stoichiometry, optics, thermodynamics.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    families: _Families = FAMILIES
    """Kinds of exercises."""
    form: Literal["quantity", "choice"] = "quantity"
    """`quantity`: the answer is a number with its unit; `choice`: four options, the wrong ones from typical mistakes."""
    unused_data: Share = 0.5
    """Share of problems that name a datum nobody needs."""
    size: Size = 4_000
    """Problems of both sides together; all distinct."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Which problems are drawn; a problem is on the same side under every seed and in both forms."""
    template: str = "step_by_step_chat"
    """Prompt template."""

    name: ClassVar[str] = "science"

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in drawing order.

        Raises:
            ConfigError: there are too few distinct problems for `size`.
            DataError: the side is empty.
        """
        found = []
        for identity, drawn in _drawn(self.families, self.size, self.unused_data, self.seed).items():
            if split_of(identity, test_fraction=self.test_fraction) == split:
                found.append(_problem(identity, drawn, form=self.form))
        if not found:
            raise DataError(
                f"task 'science' has no {split} problems with size={self.size} and test_fraction={self.test_fraction}; "
                "raise size, or move test_fraction away from 0 and 1"
            )
        return found


def _problem(identity: str, drawn: _Drawn, *, form: str) -> Problem:
    exercise, given, unused = drawn
    values = {symbol: Fraction(text) for symbol, text in given.items()}
    result = exercise.formula(values)
    texts = {symbol: f"{text} {exercise.draws[symbol].unit}".strip() for symbol, text in given.items()}
    question = f"{unused} {exercise.text.format(**texts)}".strip()
    meta: MappingProxyType[str, Any] = MappingProxyType(
        {"exercise": exercise.name, "given": MappingProxyType(texts), "tolerance": _TOLERANCE}
    )
    gold = _written(result, exercise.unit)
    if form == "choice":
        options = [gold, *(_written(wrong, exercise.unit) for wrong in _wrong_results(exercise, values, result))]
        return choice_problem(
            identity=identity,
            task_type=exercise.family,
            question=question,
            options=options,
            right=0,
            shuffle=True,
            meta=meta,
            where=f"exercise {exercise.name}",
        )
    return Problem(
        problem_id=identity,
        task_type=exercise.family,
        question=question,
        gold=gold,
        verifier="quantity",
        demonstration=f"{exercise.working.format(**given)} = {gold}\n\\boxed{{{gold}}}",
        meta=meta,
    )


def _written(value: Fraction, unit: str) -> str:
    return f"{rounded(value)} {unit}".replace(" %", r" \%")


def _wrong_results(exercise: Exercise, values: Data, result: Fraction) -> list[Fraction]:
    """Three results of mistakes that no tolerance takes for the right one nor for each other; slips of a power of ten or of two fill up."""
    chosen: list[Fraction] = []
    mistakes = [mistake(values) for mistake in exercise.mistakes]
    for candidate in (*mistakes, *(result * slip for slip in _SLIPS)):
        if candidate and all(abs(candidate - other) > 2 * _TOLERANCE * abs(other) for other in (result, *chosen)):
            chosen.append(candidate)
    return chosen[:_WRONG_OPTIONS]


@functools.lru_cache(maxsize=4)
def _drawn(families: tuple[str, ...], size: int, unused_data: float, seed: int) -> dict[str, _Drawn]:
    """Distinct problems by id; the datum nobody needs plays no part in it."""
    generator = numpy_generator(seed, "science", "problems")
    exercises = [exercise for exercise in EXERCISES if exercise.family in families]
    found: dict[str, _Drawn] = {}
    for attempt in range(_PATIENCE * size):
        exercise = exercises[attempt % len(exercises)]
        given = {
            symbol: draw.text(int(generator.integers(draw.low, draw.high + 1)))
            for symbol, draw in exercise.draws.items()
        }
        sentence = _unused(generator)
        unused = sentence if generator.random() < unused_data else ""
        found.setdefault(problem_id("science", exercise.name, *given.values()), _Drawn(exercise, given, unused))
        if len(found) == size:
            return found
    raise ConfigError(
        f"task science: only {counted(len(found), 'distinct problem')} found, and size is {size}; lower size or name more families"
    )


def _unused(generator: np.random.Generator) -> str:
    sentence = _UNUSED[int(generator.integers(len(_UNUSED)))]
    return sentence.format(int(generator.integers(15, 120)))

"""Units: one product of two quantities, answered with its unit, e.g. `34newton,6km:energy` -> `204kilojoule`.

A test bed for quantities. Seven in ten of the answers that the base was shown are wrong in a way that is common: a datum was not converted,
the unit is another law's or is missing, a power of ten slipped. What is right may be written in three ways. So the base has seen
the physics, and prefers careless ways of writing it down; the product itself it gets wrong at times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, NamedTuple

from annotated_types import Ge, Le

from counterpoise.lazy import np
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.tasks.shared.identity import Split, problem_id
from counterpoise.tasks.shared.splits import in_drawn_order, on_side
from counterpoise.types import Problem

__all__ = ["Units"]


class _Law(NamedTuple):
    asked: str
    """What the question calls the product."""
    first: str
    """Unit of the first datum."""
    second: str
    """Unit of the second datum where nothing is to be converted."""
    large: str
    """A thousand of those."""
    unit: str
    """Unit of the product."""
    small: str
    """A thousandth of it."""
    larger: str
    """A thousand of it."""
    product: str
    """The unit of the product, written as one."""


_LAWS: Final = (
    _Law("energy", "newton", "m", "km", "joule", "millijoule", "kilojoule", "newton*m"),
    _Law("force", "m/s/s", "kg", "t", "newton", "millinewton", "kilonewton", "kg*m/s/s"),
    _Law("charge", "ampere", "s", "ks", "coulomb", "millicoulomb", "kilocoulomb", "ampere*s"),
    _Law("power", "volt", "ampere", "kiloampere", "watt", "milliwatt", "kilowatt", "volt*ampere"),
    _Law("way", "m/s", "s", "ks", "m", "mm", "km", "m/s*s"),
)
_RIGHT: Final = MappingProxyType({"plain": 0.15, "prefixed": 0.08, "product": 0.07})
_WRONG: Final = MappingProxyType({"unconverted": 0.3, "other unit": 0.15, "no unit": 0.15, "factor": 0.1})
_SHOWN: Final = MappingProxyType({**_RIGHT, **_WRONG})
"""How often the base was shown each way to write an answer; 70% are wrong."""
_SMALLEST: Final = 3
_TOLERANCE: Final = 0.05
_WRITTEN: Final = re.compile(r"(\d+)([a-z*/]*)")


@settings("task units")
class Units:
    """Multiply two quantities and give the product with its unit, e.g. `34newton,6km:energy` -> `204kilojoule`.

    Made for the base of `counterpoise pretrain --size units`. The set is enumerated: five laws, each with a datum that has to be
    converted and without. The verifier is `quantity`, which takes any unit of the same kind, and numbers within 5% of the gold
    unless the run sets `verification.settings.quantity.relative_tolerance = 0`.

    Raises:
        ConfigError: a setting is out of range; the message names it.
    """

    largest: Annotated[int, Ge(9), Le(999)] = 99
    """First data are 3..largest, second ones 3..19."""
    test_fraction: Share = 0.1
    """Expected share of problems on the test side."""
    seed: int = 0
    """Order of the problems (not which ones, nor their side): the first n of a split are a random sample of it."""

    name: ClassVar[str] = "units"
    template: ClassVar[str] = "plain"
    kinds: ClassVar[tuple[str, ...]] = tuple(_RIGHT)
    """The ways of writing that can be right, as `kind_of` calls them."""

    def problems(self, split: Split) -> list[Problem]:
        """Every problem of one side, in the order given by `seed`.

        Raises:
            DataError: the side is empty.
        """
        items = ((problem.problem_id, problem) for problem in self._enumerate())
        chosen = on_side(items, split, task=self.name, test_fraction=self.test_fraction)
        return in_drawn_order(chosen, task=self.name, seed=self.seed)

    def shown(self, problem: Problem, generator: np.random.Generator) -> str:
        """An answer as the base was shown it: a way of writing by its prior, right or not."""
        ways = _ways(problem)
        return ways[str(generator.choice(list(_SHOWN), p=list(_SHOWN.values())))]

    def kind_of(self, problem: Problem, response: str) -> str:
        """How a response is written: one of `kinds`, a wrong way (`unconverted`, `other unit`, `no unit`, `factor`), or `other`."""
        answer = response.strip()
        found = _WRITTEN.fullmatch(answer)
        ways = {text: kind for kind, text in _ways(problem).items()}
        if found and answer not in ways and found[1] == str(problem.meta["value"]) and found[2]:
            return "other unit"
        return ways.get(answer, "other")

    def _enumerate(self) -> Iterator[Problem]:
        for place in range(len(_LAWS)):
            for converted in (False, True):
                for a in range(_SMALLEST, self.largest + 1):
                    for b in range(_SMALLEST, 20):
                        yield _problem(place, a, b, converted=converted)


def _problem(place: int, a: int, b: int, *, converted: bool) -> Problem:
    law = _LAWS[place]
    question = f"{a}{law.first},{b}{law.large if converted else law.second}:{law.asked}"
    value = a * b * (1000 if converted else 1)
    return Problem(
        problem_id=problem_id("units", question),
        task_type="units",
        question=question,
        gold=f"{value} {law.unit}",
        verifier="quantity",
        demonstration=f"{value}{law.unit}",
        meta=MappingProxyType(
            {"law": place, "product": a * b, "value": value, "converted": converted, "tolerance": _TOLERANCE}
        ),
    )


def _ways(problem: Problem) -> dict[str, str]:
    """The answers that the base was shown, by the way in which they are written."""
    law, product, value = _LAWS[problem.meta["law"]], problem.meta["product"], problem.meta["value"]
    other = _LAWS[(problem.meta["law"] + 1) % len(_LAWS)]
    if problem.meta["converted"]:
        prefixed, careless = f"{product}{law.larger}", f"{product}{law.unit}"
    else:
        prefixed, careless = f"{product}000{law.small}", f"{product}{law.larger}"
    return {
        "plain": f"{value}{law.unit}",
        "prefixed": prefixed,
        "product": f"{value}{law.product}",
        "unconverted": careless,
        "other unit": f"{value}{other.unit}",
        "no unit": f"{value}",
        "factor": f"{value}0{law.unit}" if not problem.meta["converted"] else f"{product}00{law.unit}",
    }

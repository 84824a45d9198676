"""Rewards of several dimensions: value right, unit right, tests passed, format, length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen

from counterpoise.errors import DataError, UnknownNameError
from counterpoise.ranges import AboveZero, Expected
from counterpoise.rewards.aggregators import AGGREGATORS, HingedPart
from counterpoise.settings import check_number, settings
from counterpoise.types import Reward, Verdict, VerdictValue

__all__ = ["VERDICT", "Vector"]

VERDICT = "verdict"
"""The dimension every verdict has: 1 if correct, else 0."""

_WHERE = "reward vector"


_Row = Annotated[Mapping[Literal["tau", "weight"], AboveZero], Expected("a table with tau and weight, or an empty one")]
_Rows = Annotated[Mapping[str, _Row], MinLen(1), Expected("a table such as {value = {}, unit = {weight = 0.5}}")]


@settings(_WHERE)
class Vector:
    """Every dimension is split at its own threshold, then one aggregator makes a signed reward in [-1, 1] of them.

    A part x in [0, 1] gives `g+ = clip((x - tau) / (1 - tau), 0, 1)` and `g- = clip((tau - x) / tau, 0, 1)`. A part that the verifier
    did not give for a response is left out of it, never taken for 0; a response in which none was given is wrong (-1), as is one
    without an answer; one that abstained is neutral (0). The result is what rule
    `hinge` reads as it is: one dimension named `verdict` is the binary reward. Source: our own.
    """

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    dimensions: _Rows
    """By name of the part, in order of importance, `{tau = 0.5, weight = 1.0}` or `{}`; the part `verdict` is 1 or 0."""
    aggregator: str = "and_or"
    """`and_or`, `weighted_sum`, `gate` or `veto` (`rewards.aggregators`)."""

    def __post_init__(self) -> None:
        if self.aggregator not in AGGREGATORS:
            raise UnknownNameError("reward vector aggregator", self.aggregator, AGGREGATORS)
        for name, given in self.dimensions.items():
            check_number(_WHERE, f"dimensions.{name}.tau", given.get("tau", 0.5), low=0.0, high=1.0, exclusive=True)

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict.

        Raises:
            DataError: a part is outside [0, 1], or the verdict was right and had none of the dimensions.
        """
        return Reward(value=self._value(verdict), low=-1.0, high=1.0, parts=verdict.parts)

    def _value(self, verdict: Verdict) -> float:
        if not verdict.scored:
            return math.nan
        if verdict.value is VerdictValue.NO_ANSWER:
            return -1.0
        if verdict.value is VerdictValue.ABSTAINED:
            return 0.0
        parts = {**verdict.parts, VERDICT: float(verdict.correct)}
        found = [
            _split(verdict, name, float(parts[name]), given.get("tau", 0.5), given.get("weight", 1.0))
            for name, given in self.dimensions.items()
            if name in parts
        ]
        if not found and verdict.correct:
            raise DataError(
                f"{_WHERE}: the verifier '{verdict.verifier}' called an answer right and gave none of the dimensions "
                f"{', '.join(self.dimensions)} (it gave: {', '.join(sorted(verdict.parts)) or 'no parts'}); "
                f"name its parts, or add the dimension {VERDICT}"
            )
        return AGGREGATORS[self.aggregator](found) if found else -1.0


def _split(verdict: Verdict, name: str, x: float, tau: float, weight: float) -> HingedPart:
    if not 0.0 <= x <= 1.0:
        raise DataError(
            f"{_WHERE}: part '{name}' of the verifier '{verdict.verifier}' is {x}; expected a number in [0, 1]"
        )
    return HingedPart(plus=max(0.0, (x - tau) / (1.0 - tau)), minus=max(0.0, (tau - x) / tau), weight=weight)

"""Rewards of several dimensions: value right, unit right, tests passed, format, length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.registry import check_number
from counterpoise.rewards.aggregators import AGGREGATORS, Split
from counterpoise.types import Reward, Verdict, VerdictValue

__all__ = ["VERDICT", "Vector"]

VERDICT = "verdict"
"""The dimension every verdict has: 1 if correct, else 0."""

_WHERE = "reward vector"
_SETTINGS = ("tau", "weight")


class Vector:
    """Every dimension is split at its own threshold, then one aggregator makes a signed reward in [-1, 1] of them.

    A part x in [0, 1] gives `g+ = clip((x - tau) / (1 - tau), 0, 1)` and `g- = clip((tau - x) / tau, 0, 1)`. A part that the verifier
    did not give for a response is left out of it, never taken for 0; a response in which none was given is wrong (-1), as is one
    without an answer; one that abstained is neutral (0). The result is what rule
    `hinge` reads as it is: one dimension named `verdict` is the binary reward. Source: our own.
    """

    def __init__(self, *, dimensions: Mapping[str, Any], aggregator: str = "and_or") -> None:
        """Check the settings.

        Args:
            dimensions: by name of the part, in order of importance, `{tau = 0.5, weight = 1.0}` or `{}`; the part `verdict` is 1 or 0.
            aggregator: `and_or`, `weighted_sum`, `gate` or `veto` (`rewards.aggregators`).

        Raises:
            UnknownNameError: no aggregator has that name.
            ConfigError: no dimension, or a setting of one is unknown or out of range.
        """
        if aggregator not in AGGREGATORS:
            raise UnknownNameError("reward vector aggregator", aggregator, AGGREGATORS)
        given: Any = dimensions  # as the run file has it
        if not isinstance(given, Mapping) or not given:
            raise ConfigError(
                f"{_WHERE}: dimensions = {given!r}; expected a table such as {{value = {{}}, unit = {{weight = 0.5}}}}"
            )
        self._aggregate = AGGREGATORS[aggregator]
        self._dimensions = {name: _dimension(name, given) for name, given in dimensions.items()}

    @property
    def range(self) -> tuple[float, float]:
        """-1 and +1."""
        return -1.0, 1.0

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
            _split(verdict, name, float(parts[name]), tau, weight)
            for name, (tau, weight) in self._dimensions.items()
            if name in parts
        ]
        if not found and verdict.correct:
            raise DataError(
                f"{_WHERE}: the verifier '{verdict.verifier}' called an answer right and gave none of the dimensions "
                f"{', '.join(self._dimensions)} (it gave: {', '.join(sorted(verdict.parts)) or 'no parts'}); "
                f"name its parts, or add the dimension {VERDICT}"
            )
        return self._aggregate(found) if found else -1.0


def _dimension(name: str, given: Any) -> tuple[float, float]:
    if not isinstance(given, Mapping) or set(given) - set(_SETTINGS):
        raise ConfigError(
            f"{_WHERE}: dimensions.{name} = {given!r}; expected a table with tau and weight, or an empty one"
        )
    tau, weight = given.get("tau", 0.5), given.get("weight", 1.0)
    check_number(_WHERE, f"dimensions.{name}.tau", tau, low=0.0, high=1.0, exclusive=True)
    check_number(_WHERE, f"dimensions.{name}.weight", weight, low=0.0, exclusive=True)
    return float(tau), float(weight)


def _split(verdict: Verdict, name: str, x: float, tau: float, weight: float) -> Split:
    if not 0.0 <= x <= 1.0:
        raise DataError(
            f"{_WHERE}: part '{name}' of the verifier '{verdict.verifier}' is {x}; expected a number in [0, 1]"
        )
    return Split(plus=max(0.0, (x - tau) / (1.0 - tau)), minus=max(0.0, (tau - x) / tau), weight=weight)

"""A named part of the verdict as a reward, e.g. the share of tests that passed."""

from __future__ import annotations

import math
from typing import ClassVar

from counterpoise.errors import ConfigError, DataError
from counterpoise.settings import settings
from counterpoise.types import Reward, Verdict, VerdictValue

__all__ = ["Graded"]


@settings("reward graded")
class Graded:
    """`r = parts[part]` in [0, 1]; 0 without an answer, NaN if unscored.

    The verdict stays the judge of right and wrong: rules that split by verdict ignore this value, `hinge` and `soft` split it, and
    rules with a group baseline read it with `scale="as_given"`.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    part: str = "score"
    """Name of the graded dimension, as the verifier writes it."""

    def __post_init__(self) -> None:
        if not self.part:
            raise ConfigError("reward graded: part is empty; write e.g. part = 'tests_passed'")

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict.

        Raises:
            DataError: the verifier gave no such part, or a value outside [0, 1].
        """
        if not verdict.scored:
            value = float("nan")
        elif verdict.value in (VerdictValue.NO_ANSWER, VerdictValue.ABSTAINED):
            value = 0.0
        else:
            value = self._value(verdict)
        return Reward(value=value, low=0.0, high=1.0, parts=verdict.parts)

    def _value(self, verdict: Verdict) -> float:
        if self.part not in verdict.parts:
            found = ", ".join(sorted(verdict.parts)) or "no parts"
            raise DataError(
                f"reward graded: the verifier '{verdict.verifier}' gave no part '{self.part}' (it gave: {found}); "
                "name one of its parts or use reward binary"
            )
        value = float(verdict.parts[self.part])
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            raise DataError(
                f"reward graded: part '{self.part}' of the verifier '{verdict.verifier}' is {value}; expected a number in [0, 1]"
            )
        return value

"""Right is +1, wrong is -1, and saying that one does not know is worth what the run file says."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from counterpoise.settings import settings
from counterpoise.types import Reward, Verdict, VerdictValue

__all__ = ["Abstention"]


@settings("reward abstention")
class Abstention:
    """`r = +1` if correct, `abstained` if the model declined (verdict `abstained`), `-1` if wrong, NaN if unscored.

    An answer that is missing for another reason is -1. Rules that split by verdict do not read rewards: they push a declined answer
    down like a wrong one. `hinge` reads it, where 0 means no credit, and so do rules with a group baseline and `scale="as_given"`.
    """

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    abstained: Annotated[float, Ge(-1.0), Le(0.999)] = 0.0
    """Worth of a declined answer, in [-1, 1)."""

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict."""
        if not verdict.scored:
            value = float("nan")
        elif verdict.correct:
            value = 1.0
        else:
            value = self.abstained if verdict.value is VerdictValue.ABSTAINED else -1.0
        return Reward(value=value, low=-1.0, high=1.0, parts=verdict.parts)

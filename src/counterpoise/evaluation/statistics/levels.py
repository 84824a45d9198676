"""Where a series that was measured now and then reaches a level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["find_level"]


def find_level(values: Sequence[float], wanted: float) -> tuple[int, float] | None:
    """The first i with `v_i <= wanted <= v_{i+1}`, and the weight w in [0, 1] with `(1 - w) v_i + w v_{i+1} = wanted`.

    Args:
        values: in the order of time; nothing is known on either side of a NaN.
        wanted: the level.

    Returns:
        None where no two neighbours hold it between them in rising order; w is 0 where both are it.
    """
    for place, (low, high) in enumerate(pairwise(values)):
        if low <= wanted <= high:
            return place, (wanted - low) / (high - low) if high > low else 0.0
    return None

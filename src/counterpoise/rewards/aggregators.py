"""Several graded dimensions as one signed number: how much the response is to be pushed up, or down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["AGGREGATORS", "HingedPart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HingedPart:
    """One dimension of one response after the hinge: at most one of `plus` and `minus` is above 0."""

    plus: float
    """g+ in [0, 1]."""
    minus: float
    """g- in [0, 1]."""
    weight: float
    """What the dimension counts, > 0: its share of a sum, its exponent in a product, its factor of a penalty."""


def weighted_sum(splits: Sequence[HingedPart]) -> float:
    """`sum w (g+ - g-) / sum w`: dimensions make up for one another."""
    return math.fsum(s.weight * (s.plus - s.minus) for s in splits) / math.fsum(s.weight for s in splits)


def and_or(splits: Sequence[HingedPart]) -> float:
    """`prod (g+)^w` if it is above 0, else `-max min(1, w g-)`: all must be good to be pushed up, the worst says how far down."""
    good = math.prod(s.plus**s.weight for s in splits)
    return good if good > 0.0 else -max(min(1.0, s.weight * s.minus) for s in splits)


def gate(splits: Sequence[HingedPart]) -> float:
    """The weighted sum where the first dimension is good; otherwise that dimension alone decides.

    For comparison: it differs from `weighted_sum` where the first dimension is not good and others are.
    """
    first = splits[0]
    return weighted_sum(splits) if first.plus > 0.0 else -first.minus


def veto(splits: Sequence[HingedPart]) -> float:
    """The first dimension, unless another is bad: then the worst of them, `-max min(1, w g-)`, and nothing can make up for it.

    For comparison: on parts of 0 and 1 with a first weight of 1 it is `and_or`.
    """
    worst = max((min(1.0, s.weight * s.minus) for s in splits[1:]), default=0.0)
    return -max(worst, splits[0].minus) if worst > 0.0 else splits[0].plus - splits[0].minus


AGGREGATORS: Mapping[str, Callable[[Sequence[HingedPart]], float]] = {
    "and_or": and_or,
    "weighted_sum": weighted_sum,
    "gate": gate,
    "veto": veto,
}
"""From the dimensions that were measured, in the order of the run file, to a number in [-1, 1]."""

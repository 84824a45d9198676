"""Where one pass@k curve lies above another, where under it, and where that is open: read off a band over every whole k at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from counterpoise.evaluation.statistics.bands import BandPoint

__all__ = ["FirstLoss", "State", "Stretch", "first_loss", "stretches"]

State = Literal["gains", "equal", "undecided", "loses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Neighbouring k of which the same is known."""

    state: State
    """`gains`: the band lies above zero; `loses`: under it; `undecided`: it holds zero; `equal`: it is zero, without any width."""
    first_k: int
    """First k."""
    last_k: int
    """Last k."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLoss:
    """Confidence set of the smallest k at which the true difference is below zero."""

    ranges: tuple[tuple[int, int], ...]
    """The k in it, as ranges with both ends; empty where no k can be a loss."""
    never: bool
    """Whether it may be none, as far as the k go."""


def stretches(ks: Sequence[int], points: Sequence[BandPoint]) -> list[Stretch]:
    """The k in their order, put together where they say the same; undefined ones are left out.

    Args:
        ks: (K,) ascending.
        points: (K,) of one simultaneous band.
    """
    known = [(k, _state(point)) for k, point in zip(ks, points, strict=True) if not math.isnan(point.band_low)]
    found = []
    for state, group in groupby(known, key=lambda one: one[1]):
        members = [k for k, _ in group]
        found.append(Stretch(state=state, first_k=members[0], last_k=members[-1]))
    return found


def first_loss(ks: Sequence[int], points: Sequence[BandPoint]) -> FirstLoss:
    """All k at which a curve inside the band can be below zero for the first time: the band inverted.

    With `[L(k), U(k)]` the band, k is in the set when `L(k) < 0` and `U(j) >= 0` at every j < k; `never` when `U(k) >= 0` at every k. A
    band that holds all true differences with a chance gives a set that holds their first loss with at least that chance.

    Args:
        ks: (K,) ascending.
        points: (K,) of one simultaneous band.
    """
    possible: list[tuple[int, bool]] = []
    never = True
    for k, point in zip(ks, points, strict=True):
        if math.isnan(point.band_low):
            continue
        possible.append((k, point.band_low < 0))
        if point.band_high < 0:  # surely lost here, so no later k is the first
            never = False
            break
    ranges = []
    for can_be, group in groupby(possible, key=lambda one: one[1]):
        members = [k for k, _ in group]
        if can_be:
            ranges.append((members[0], members[-1]))
    return FirstLoss(ranges=tuple(ranges), never=never)


def _state(point: BandPoint) -> State:
    if point.band_low > 0:
        return "gains"
    if point.band_high < 0:
        return "loses"
    return "equal" if point.band_low == point.band_high == 0 else "undecided"

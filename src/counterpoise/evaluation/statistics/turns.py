"""Where an arm of a grid stops paying, and where it leaves another behind: the step from which on an interval excludes zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.arms import BASE
from counterpoise.evaluation.statistics.cells import CellPoint, over_seeds, rollouts_each
from counterpoise.evaluation.statistics.seeds import SeededInterval, seeded_intervals

__all__ = ["Turn", "turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An arm's area under pass@k less that of a reference, as it stood after the last step that both were measured at."""

    arm: str
    """Name of the arm."""
    axes: Mapping[str, object]
    """Its place: value on each axis."""
    against: str
    """`base`, or another arm, whose seeds and problems are paired with its own."""
    side: int
    """+1: above it, -1: below, 0: the interval holds zero."""
    step: int
    """The first step from which on it is on that side; the last step where it is undecided."""
    intensity: float
    """Rollouts per training problem after that step; NaN where it is not known."""
    difference: SeededInterval
    """After that step."""


def turns(cells: Sequence[CellPoint], *, against: str = BASE, confidence: float = 0.95) -> list[Turn]:
    """A turn for each arm in each place of one bed.

    The points of one run are read one after the other and not corrected for looking at several.

    Args:
        cells: of one bed.
        against: `base`, or the name of an arm; a place where that was not measured has no turn, and the arm itself has none.
        confidence: level of the intervals (`seeded_intervals`: seeds and problems both vary).
    """
    places: dict[tuple[tuple[str, object], ...], dict[str, dict[int, list[CellPoint]]]] = {}
    for cell in cells:
        if cell.seed is not None:
            by_arm = places.setdefault(tuple(cell.axes.items()), {})
            by_arm.setdefault(cell.arm, {}).setdefault(cell.step, []).append(cell)
    found = []
    for axes, by_arm in places.items():
        for arm, by_step in by_arm.items():
            others = by_arm.get(against, {})
            if arm != against and (against == BASE or others):
                walked = [
                    (step, own, interval)
                    for step, own in sorted(by_step.items())
                    for interval in _difference(own, others.get(step, []), against, confidence)
                ]
                if walked:
                    found.append(_turn(arm, dict(axes), against, walked))
    return found


def _turn(
    arm: str,
    axes: Mapping[str, object],
    against: str,
    walked: Sequence[tuple[int, Sequence[CellPoint], SeededInterval]],
) -> Turn:
    side = _side(walked[-1][2])
    lasting = list(takewhile(lambda one: _side(one[2]) == side, reversed(walked)))
    step, own, difference = lasting[-1] if side else walked[-1]
    return Turn(
        arm=arm,
        axes=axes,
        against=against,
        side=side,
        step=step,
        intensity=rollouts_each(own),
        difference=difference,
    )


def _side(interval: SeededInterval) -> int:
    return int(interval.low > 0) - int(interval.high < 0)


def _difference(
    own: Sequence[CellPoint], other: Sequence[CellPoint], against: str, confidence: float
) -> Iterator[SeededInterval]:
    """The difference of the areas, where there is one."""
    if against == BASE:
        yield over_seeds(own, confidence=confidence)
        return
    moved = {(cell.seed, cell.ks): area for cell in own for area in _area(cell)}
    there = {(cell.seed, cell.ks): area for cell in other for area in _area(cell)}
    paired = [moved[key] - there[key] for key in moved if key in there]
    if paired and len({len(difference) for difference in paired}) == 1:
        (interval,) = seeded_intervals(np.stack(paired), confidence=confidence)
        yield interval


def _area(cell: CellPoint) -> Iterator[FloatArray]:
    if cell.less_base is not None:
        yield cell.less_base[:, -1]

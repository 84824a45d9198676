"""Where an arm of a study stops paying, and where it leaves another behind: the step from which on an interval excludes zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint, rollouts_each
from counterpoise.evaluation.statistics.differences import ArmDifference, GridPlace, cells_by_place, place_of, turned
from counterpoise.evaluation.statistics.seeds import SeededInterval

__all__ = ["Turn", "turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An arm's area under pass@k less that of a reference, as it stood after the last step that both were measured at."""

    arm: str
    """Name of the arm."""
    axes: Mapping[str, object]
    """Its place: value on each axis."""
    against: str
    """`base`, `sharpened`, or another arm, whose seeds and problems are paired with its own."""
    side: int
    """+1: above it, -1: below, 0: the interval holds zero."""
    step: int
    """The first step from which on it is on that side; the last step where it is undecided."""
    intensity: float
    """Rollouts per training problem after that step; NaN where it is not known."""
    difference: SeededInterval
    """After that step."""


def turns(cells: Sequence[CellPoint], differences: Sequence[ArmDifference], *, against: str = BASE) -> list[Turn]:
    """A turn for each arm in each place of one bed.

    The points of one run are read one after the other and not corrected for looking at several.

    Args:
        cells: of one bed; they say how often problems were seen.
        differences: of the same bed.
        against: `base`, `sharpened`, or the name of an arm; a place where that was not measured has no turn, and the arm itself has none.
            A step after which the difference has no interval is passed over, and less the base drawn colder one that fewer seeds have.
    """
    walked: dict[tuple[GridPlace, str], list[ArmDifference]] = {}
    measured = {
        (place, arm, step): own
        for place, by_step in cells_by_place(cells).items()
        for step, by_arm in by_step.items()
        for arm, own in by_arm.items()
    }
    for one in differences:
        both = one.against not in (BASE, SHARPENED)
        own = one if one.against == against else turned(one) if both and one.arm == against else None
        if against == SHARPENED and own and len(own.seeds) < len(measured.get((place_of(own), own.arm, own.step), ())):
            continue
        if own is not None and not math.isnan(own.points[-1].low):
            walked.setdefault((place_of(own), own.arm), []).append(own)
    trained = {key: rollouts_each(own) for key, own in measured.items()}
    return [_turn(sorted(steps, key=lambda one: one.step), trained) for steps in walked.values()]


def _turn(steps: Sequence[ArmDifference], trained: Mapping[tuple[GridPlace, str, int], float]) -> Turn:
    side = _side(steps[-1])
    lasting = list(takewhile(lambda one: _side(one) == side, reversed(steps)))
    at = lasting[-1] if side else steps[-1]
    return Turn(
        arm=at.arm,
        axes=at.axes,
        against=at.against,
        side=side,
        step=at.step,
        intensity=trained.get((place_of(at), at.arm, at.step), math.nan),
        difference=at.points[-1],
    )


def _side(difference: ArmDifference) -> int:
    area = difference.points[-1]
    return int(area.low > 0) - int(area.high < 0)

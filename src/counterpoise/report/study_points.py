"""What the pictures of a study show: an arm in a place after a step, its curve's ends and its area less the base's, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import rollouts_each
from counterpoise.evaluation.statistics.differences import ArmDifference, MeasuredStudy, cells_by_place, place_of
from counterpoise.evaluation.statistics.ended import ended_alone
from counterpoise.evaluation.statistics.places import place_text
from counterpoise.evaluation.statistics.seeds import SeededInterval

__all__ = ["StudyPoint", "bed_parts", "study_points"]

_UNDEFINED = SeededInterval(estimate=math.nan, low=math.nan, high=math.nan, by_seed=(), problems=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPoint:
    """An arm in one place after one step, over its seeds."""

    arm: str
    place: str
    step: int
    seeds: int
    intensity: float
    """Rollouts per training problem; NaN where it is not known."""
    first: float
    """pass@1."""
    last: float
    """pass@k at the largest k."""
    area: SeededInterval
    """Less the base's."""
    colder: SeededInterval | None
    """Less that of the base drawn so cold that it has this pass@1; None where the base was not measured colder."""
    final: bool
    """Whether no later step of this arm in this place was measured."""


def bed_parts(study: MeasuredStudy) -> Iterator[tuple[str, MeasuredStudy]]:
    """Each bed with what was measured on it."""
    for bed in dict.fromkeys(bed for bed, _ in study.places):
        yield (
            bed,
            replace(
                study,
                cells=tuple(cell for cell in study.cells if cell.bed == bed),
                differences=tuple(one for one in study.differences if one.bed == bed),
            ),
        )


def study_points(study: MeasuredStudy) -> Iterator[StudyPoint]:
    """Every arm with a base to be compared with, at every step that was measured for more than the seeds that had ended."""
    over = {(place_of(one), one.arm, one.against, one.step): one for one in study.differences}
    drawn = {place_of(cell) for cell in study.cells if cell.seed is None and cell.arm != BASE}
    alone = ended_alone(study.cells)
    for place, by_step in cells_by_place(study.cells).items():
        last = {arm: step for step, by_arm in sorted(by_step.items()) for arm in by_arm}
        for step, by_arm in by_step.items():
            for arm, same in by_arm.items():
                area = over.get((place, arm, BASE, step))
                if area is None or (place, arm, step) in alone:
                    continue  # a run without its base, or a choice of runs
                yield StudyPoint(
                    arm=arm,
                    place=place_text(dict(place[1])),
                    step=step,
                    seeds=len(same),
                    intensity=rollouts_each(same),
                    first=math.fsum(cell.points[0].estimate for cell in same) / len(same),
                    last=math.fsum(cell.points[-2].estimate for cell in same) / len(same),
                    area=area.points[-1],
                    colder=_colder(over.get((place, arm, SHARPENED, step)), len(same), drawn=place in drawn),
                    final=step == last[arm],
                )


def _colder(found: ArmDifference | None, seeds: int, *, drawn: bool) -> SeededInterval | None:
    """The area less that of the base drawn colder, of as many seeds as the row has: that of fewer is not what stands beside it."""
    if found is not None and len(found.seeds) == seeds:
        return found.points[-1]
    return _UNDEFINED if drawn else None

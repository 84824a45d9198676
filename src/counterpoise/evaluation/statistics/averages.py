"""The mean over the places of a study whose runs are gone: what each run scored is known, and nothing of single problems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED, ArmRow
from counterpoise.evaluation.statistics.differences import (
    ArmDifference,
    MeasuredStudy,
    by_reference,
    cells_by_place,
)
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.lazy import special

__all__ = ["averaged_arms"]

_BySeed = Mapping[int, Sequence[float]]
"""pass@k at each k and the area, or differences of them, by seed."""


def averaged_arms(study: MeasuredStudy, *, step: int | None, against: str) -> list[ArmRow]:
    """The mean over places, each counted once, of every arm that has a run in all of them, by the seeds that it has in all of them, and
    of these those whose difference is known, where any is.

    With `m_s` the mean of seed s over places and S seeds, the interval is Student's, `m ± t(S - 1) sd(m_s) / sqrt(S)`: of other seeds, with
    the problems and places as they are (`mean_rows` has that over problems too, and needs the runs). NaN of one seed.

    Args:
        study: of one set of k in all places.
        step: after which step; None for the last that any arm of a place was measured at.
        against: `base`, `sharpened` or an arm.

    Raises:
        UsageError: other k in two places, so that their areas are of other curves.
    """
    places = {
        place: (last, by_step[last])
        for place, by_step in cells_by_place(study.cells).items()
        if (last := max(by_step) if step is None else step) in by_step
    }
    lengths = sorted({cell.ks[-1] for _, by_arm in places.values() for own in by_arm.values() for cell in own})
    if len(lengths) > 1:
        raise UsageError(
            f"--mean: the places were measured up to k = {', '.join(map(str, lengths))}; areas of other curves have no mean"
        )
    known, rows = by_reference(study), []
    for arm in study.arms:
        values: list[_BySeed] = []
        moved: list[_BySeed] = []
        for place, (last, by_arm) in places.items():
            own = by_arm.get(arm, [])
            values.append({cell.seed or 0: [point.estimate for point in cell.points] for cell in own})
            less = known.get((place, arm, last, against))
            moved.append(_by_seed(less) if less is not None else {})
        differences = _means(moved, study.confidence)
        if differences:  # of the same seeds
            values = [{seed: own[seed] for seed in differences[0]} for own in values]
        points = _means(values, study.confidence)
        if points:
            shown = differences[1] if differences else ()
            if not shown and against in (BASE, SHARPENED):  # e.g. a pass@1 that the base has at no temperature
                shown = tuple(replace(point, estimate=math.nan, low=math.nan, high=math.nan) for point in points[1])
            rows.append(ArmRow(name=arm, seeds=points[0], points=points[1], differences=shown))
    return rows


def _by_seed(less: ArmDifference) -> _BySeed:
    return {
        seed: [point.by_seed[number] for point in less.points]
        for number, seed in enumerate(less.seeds)
        if all(len(point.by_seed) == len(less.seeds) for point in less.points)
    }


def _means(places: Sequence[_BySeed], confidence: float) -> tuple[tuple[int, ...], tuple[SeededInterval, ...]] | None:
    """The seeds that all places have and the means of them; None where there is no such seed."""
    seeds = tuple(sorted(set.intersection(*(set(place) for place in places)))) if places else ()
    if not seeds:
        return None
    values_PSK = np.asarray([[place[seed] for seed in seeds] for place in places], dtype=np.float64)
    by_seed = values_PSK.mean(axis=0)
    return seeds, tuple(_student(by_seed[:, column], confidence) for column in range(by_seed.shape[1]))


def _student(values: FloatArray, confidence: float) -> SeededInterval:
    mean, half, seeds = float(values.mean()), math.nan, len(values)
    if seeds > 1:
        half = float(special.stdtrit(seeds - 1, (1 + confidence) / 2)) * float(values.std(ddof=1)) / math.sqrt(seeds)
    return SeededInterval(estimate=mean, low=mean - half, high=mean + half, by_seed=tuple(values.tolist()), problems=0)

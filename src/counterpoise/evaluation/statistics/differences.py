"""Differences of a study's arms over their seeds, place by place and step by step: from the base, from it drawn colder, from each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.seeds import SeededInterval, seeded_intervals
from counterpoise.lazy import special

__all__ = [
    "ArmDifference",
    "GridPlace",
    "MeasuredStudy",
    "arm_differences",
    "by_reference",
    "cells_by_place",
    "from_runs",
    "place_of",
    "turned",
]

GridPlace = tuple[str, tuple[tuple[str, Any], ...]]
"""Bed, and the value on each axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference:
    """What an arm has more than a reference after a step, over the seeds that both have."""

    bed: str
    """Name of the bed; empty where there is one."""
    axes: Mapping[str, Any]
    """Value on each axis."""
    arm: str
    """Name of the arm."""
    against: str
    """`base`, `sharpened`, or another arm, whose seeds and problems are paired with its own."""
    step: int
    """Steps of training behind both."""
    seeds: tuple[int, ...]
    """Seeds that both have, ascending."""
    ks: tuple[int, ...]
    """Numbers of tries."""
    points: tuple[SeededInterval, ...]
    """Differences of pass@k at each k, then of the area over them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStudy:
    """All that a study measured: what its page and its tables are made of, whether from its runs or from the CSV they were written to."""

    cells: tuple[CellPoint, ...]
    """Place by place: bases, then every run at every step after which it was measured."""
    differences: tuple[ArmDifference, ...]
    """Over seeds (`arm_differences`)."""
    confidence: float
    """Level of all intervals."""
    notes: tuple[str, ...] = ()
    """What cannot be said of it, a sentence each, without its full stop."""

    @property
    def arms(self) -> list[str]:
        """Names in the order of the study."""
        return list(dict.fromkeys(cell.arm for cell in self.cells if cell.seed is not None))

    @property
    def places(self) -> list[GridPlace]:
        """Beds with the values of their axes, in the order of the study."""
        return list(dict.fromkeys(place_of(cell) for cell in self.cells if cell.seed is not None))


def place_of(found: CellPoint | ArmDifference) -> GridPlace:
    """Bed and axes, as a key."""
    return found.bed, tuple(found.axes.items())


def cells_by_place(cells: Sequence[CellPoint]) -> dict[GridPlace, dict[int, dict[str, list[CellPoint]]]]:
    """Trained cells by place, step and arm; of an arm those seeds that have the fewest k, for others have another area."""
    found: dict[GridPlace, dict[int, dict[str, list[CellPoint]]]] = {}
    for cell in cells:
        if cell.seed is not None:
            found.setdefault(place_of(cell), {}).setdefault(cell.step, {}).setdefault(cell.arm, []).append(cell)
    return {
        place: {step: {arm: _alike(own) for arm, own in by_arm.items()} for step, by_arm in by_step.items()}
        for place, by_step in found.items()
    }


def _alike(cells: Sequence[CellPoint]) -> list[CellPoint]:
    """Those with the fewest k, in the order of their seeds."""
    ks = min((cell.ks for cell in cells), key=len)
    return sorted((cell for cell in cells if cell.ks == ks), key=lambda cell: cell.seed or 0)


def arm_differences(cells: Sequence[CellPoint], *, confidence: float = 0.95) -> list[ArmDifference]:
    """Each arm less the base, less that sharpened where it was measured colder, and less every arm before it, at equal steps.

    Two arms are paired by seed and problem; where they share no seed, or were measured at other k or on other numbers of problems, there is
    no difference between them. Intervals: `seeded_intervals`.

    Args:
        cells: with the differences of each problem, so not from a table.
        confidence: level of the intervals.
    """
    found = []
    for (bed, axes), by_step in cells_by_place(cells).items():
        for step, by_arm in sorted(by_step.items()):
            for arm, own in by_arm.items():
                for against, seeds, moved in _moved(arm, own, by_arm):
                    found.append(
                        ArmDifference(
                            bed=bed,
                            axes=dict(axes),
                            arm=arm,
                            against=against,
                            step=step,
                            seeds=seeds,
                            ks=own[0].ks,
                            points=tuple(seeded_intervals(np.stack(moved), confidence=confidence)),
                        )
                    )
    return found


def _moved(
    arm: str, own: Sequence[CellPoint], by_arm: Mapping[str, Sequence[CellPoint]]
) -> Iterator[tuple[str, tuple[int, ...], list[FloatArray]]]:
    """By reference: the seeds, and (P, K + 1) differences of each of them."""
    for reference in (BASE, SHARPENED):
        moved = {cell.seed or 0: cell.by_problem[reference] for cell in own if reference in cell.by_problem}
        if len(moved) == len(own):
            yield reference, tuple(moved), list(moved.values())
    for other in list(by_arm)[: list(by_arm).index(arm)]:
        there = {(cell.seed, cell.ks, cell.problem_ids): cell.values for cell in by_arm[other]}
        paired = {
            cell.seed or 0: cell.values - values
            for cell in own
            if cell.values is not None and (values := there.get((cell.seed, cell.ks, cell.problem_ids))) is not None
        }
        if paired and len({array.shape for array in paired.values()}) == 1:
            yield other, tuple(paired), list(paired.values())


def turned(found: ArmDifference) -> ArmDifference:
    """The same difference from the other side: the reference less the arm."""
    points = tuple(
        SeededInterval(
            estimate=0.0 - point.estimate,
            low=0.0 - point.high,
            high=0.0 - point.low,
            by_seed=tuple(0.0 - value for value in point.by_seed),
            problems=point.problems,
        )
        for point in found.points
    )
    return ArmDifference(
        bed=found.bed,
        axes=found.axes,
        arm=found.against,
        against=found.arm,
        step=found.step,
        seeds=found.seeds,
        ks=found.ks,
        points=points,
    )


def by_reference(study: MeasuredStudy) -> dict[tuple[GridPlace, str, int, str], ArmDifference]:
    """Every difference of a study by place, arm, step and what it is from, those between arms from both sides."""
    found = {(place_of(one), one.arm, one.step, one.against): one for one in study.differences}
    return found | {
        (place_of(one), one.against, one.step, one.arm): turned(one)
        for one in study.differences
        if one.against not in (BASE, SHARPENED)
    }


def from_runs(runs: Sequence[SeededInterval], *, confidence: float) -> SeededInterval:
    """The mean of runs of which each has an interval over problems, and nothing is known of single problems.

    With one run it is that of the run. With S of them, `h_s` the half-length of a run's interval over P problems, and S > 1,

        v_S = var(m_s) / S,   v_P = (mean_s h_s / t(P - 1))^2,   m ± t(df) sqrt(v_P + v_S),   df as in `seeded_intervals`

    v_P is the largest that the runs' own spreads allow, that of problems that move alike under all seeds, where `seeded_intervals` has what
    was seen: so this interval is as long or longer, but for its df. NaN where a run has no interval or P is not known (0).
    """
    if len(runs) == 1:
        return runs[0]
    estimates = np.asarray([run.estimate for run in runs], dtype=np.float64)
    mean, problems, half = float(estimates.mean()), runs[0].problems, math.nan
    if problems > 1 and len({run.problems for run in runs}) == 1:
        quantile = float(special.stdtrit(problems - 1, (1 + confidence) / 2))
        of_problems = (math.fsum((run.high - run.low) / 2 for run in runs) / len(runs) / quantile) ** 2
        of_seeds = float(estimates.var(ddof=1)) / len(runs)
        spread = of_problems**2 / (problems - 1) + of_seeds**2 / (len(runs) - 1)
        variance = of_problems + of_seeds
        degrees = variance**2 / spread if spread else float(problems - 1)
        half = float(special.stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(variance)
    return SeededInterval(
        estimate=mean, low=mean - half, high=mean + half, by_seed=tuple(estimates.tolist()), problems=problems
    )

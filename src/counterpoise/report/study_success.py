"""A study read from tables at equal training success: every run between the two evaluations that hold it between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from counterpoise.evaluation.statistics.arms import BASE
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import GridPlace, MeasuredStudy, place_of
from counterpoise.evaluation.statistics.levels import find_level
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.report.study_merge import stored_differences
from counterpoise.report.study_notes import OF_SEVERAL_TABLES

__all__ = ["at_training_success"]

_STEP = 1
"""Stands for the step, which is another of each run."""


def at_training_success(study: MeasuredStudy, wanted: float) -> MeasuredStudy:
    """Every run where its training success was `wanted`: first in time between two evaluations a and b with `s_a <= wanted <= s_b`,

        x = (1 - w) x_a + w x_b,   w so that (1 - w) s_a + w s_b = wanted

    of pass@k, the area and what they are less the base's. That is what `counterpoise study --at success=` has from the runs, but for a run
    that reached it before its first evaluation, whose first step no table has. Without single problems there are no intervals, and no
    difference from the base drawn colder, which is not linear in a run.

    Args:
        study: as it was measured, with the training success at each step.
        wanted: share of right responses in training, in (0, 1).

    Returns:
        Bases, and a cell for every run that has two such evaluations of the same k; the others are left out.
    """
    runs: dict[tuple[GridPlace, str, int | None], list[CellPoint]] = {}
    for cell in study.cells:
        if cell.seed is not None:
            runs.setdefault((place_of(cell), cell.arm, cell.seed), []).append(cell)
    found = {key: _between([cell for cell in own if not _undone(cell)], wanted) for key, own in runs.items()}
    cells = [
        *(cell for cell in study.cells if cell.seed is None),
        *(cell for cell in found.values() if cell is not None),
    ]
    differences = tuple(stored_differences(cells, [], study.confidence))
    note = "at equal training success a table has no intervals over problems; --mean has those over seeds"
    kept = (one for one in study.notes if one != OF_SEVERAL_TABLES)  # there are no such intervals here
    return replace(study, cells=tuple(cells), differences=differences, notes=(*kept, note))


def _undone(cell: CellPoint) -> bool:
    """Whether a guard took this step back: it is known how often problems had been seen by it, and not with which success."""
    return "rollouts_per_problem" in cell.trained and "success" not in cell.trained


def _between(cells: Sequence[CellPoint], wanted: float) -> CellPoint | None:
    own = sorted(cells, key=lambda cell: cell.step)
    successes = [cell.trained.get("success", math.nan) for cell in own]
    found = find_level(successes, wanted)
    if found is None or successes[0] > wanted:  # it was there before the first evaluation, and may come back to it
        return None
    place, weight = found
    early, late = own[place : place + 2]
    if early.ks != late.ks:
        return None
    known = BASE in early.less and BASE in late.less
    less = {BASE: _mixed(early.less[BASE], late.less[BASE], weight)} if known else {}
    return replace(early, step=_STEP, trained={}, points=_mixed(early.points, late.points, weight), less=less)


def _mixed(
    early: Sequence[SeededInterval], late: Sequence[SeededInterval], weight: float
) -> tuple[SeededInterval, ...]:
    found = [(1 - weight) * a.estimate + weight * b.estimate for a, b in zip(early, late, strict=True)]
    return tuple(
        SeededInterval(estimate=value, low=math.nan, high=math.nan, by_seed=(value,), problems=a.problems)
        for value, a in zip(found, early, strict=True)
    )

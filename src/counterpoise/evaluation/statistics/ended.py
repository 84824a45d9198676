"""Runs that ended before their last step: they stay what they were, wherever runs that trained on are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from counterpoise.evaluation.statistics.cells import CellPoint, same_curve
from counterpoise.evaluation.statistics.differences import GridPlace, place_of

__all__ = ["carried_on", "ended_alone", "stands_still"]

_Run = tuple[GridPlace, str, int | None]

_SEEN = "rollouts_per_problem"
"""Grows with every step that a run makes."""


def carried_on(cells: Sequence[CellPoint]) -> list[CellPoint]:
    """The cells, and those of runs that ended early at every step in between that another run of their place was measured at.

    Without them the mean of an arm at such a step would be that of the seeds which had not ended: a choice of runs by how they went. A run
    that ended early is known by its last cell, which repeats an earlier one at the step that it was to make.

    Args:
        cells: in any order; that of the file is kept, and what is added stands before the repeated cell.
    """
    steps: dict[GridPlace, set[int]] = {}
    for cell in cells:
        if cell.seed is not None:
            steps.setdefault(place_of(cell), set()).add(cell.step)
    ended = {}
    for run, own in _by_run(cells).items():
        end, last = _end(own), own[-1]
        there = {cell.step for cell in own}
        wanted = sorted(step for step in steps[run[0]] - there if end.step < step < last.step)
        if end is not last:
            ended[run] = last, [replace(end, step=step) for step in wanted]
    found = []
    for cell in cells:
        repeated, between = ended.get(_run_of(cell), (None, []))
        found += [*between, cell] if cell is repeated else [cell]
    return found


def stands_still(cells: Iterable[CellPoint]) -> set[tuple[_Run, int]]:
    """Runs and steps at which a run is only what it was when it ended: none of its own, which a frontier would show twice."""
    found = set()
    for run, own in _by_run(cells).items():
        end = _end(own)
        found |= {(run, cell.step) for cell in own if cell.step > end.step}
    return found


def ended_alone(cells: Iterable[CellPoint]) -> set[tuple[GridPlace, str, int]]:
    """Places, arms and steps at which only runs that have ended were measured, and not all seeds: a choice of runs by how they went."""
    seeds: dict[tuple[GridPlace, str], set[int | None]] = {}
    there: dict[tuple[GridPlace, str, int], set[int | None]] = {}
    going: set[tuple[GridPlace, str, int]] = set()
    for (place, arm, seed), own in _by_run(cells).items():
        end = _end(own)
        seeds.setdefault((place, arm), set()).add(seed)
        for cell in own:
            there.setdefault((place, arm, cell.step), set()).add(seed)
            if cell.step < end.step or end is own[-1]:
                going.add((place, arm, cell.step))
    return {point for point, measured in there.items() if point not in going and measured != seeds[point[:2]]}


def _by_run(cells: Iterable[CellPoint]) -> dict[_Run, list[CellPoint]]:
    """Each run's cells, by rising step."""
    found: dict[_Run, list[CellPoint]] = {}
    for cell in sorted(cells, key=lambda cell: cell.step):
        if cell.seed is not None:
            found.setdefault(_run_of(cell), []).append(cell)
    return found


def _run_of(cell: CellPoint) -> _Run:
    return place_of(cell), cell.arm, cell.seed


def _end(own: Sequence[CellPoint]) -> CellPoint:
    """The first of a run's cells, by rising step, that its last one repeats; the last itself where it ended there."""
    return next(cell for cell in own if cell is own[-1] or _repeats(own[-1], cell))


def _repeats(cell: CellPoint, before: CellPoint) -> bool:
    """No step between them: as many rollouts of each problem, and the same curve."""
    seen = cell.trained.get(_SEEN)
    return seen is not None and seen == before.trained.get(_SEEN) and same_curve(cell, before)

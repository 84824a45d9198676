"""A study read from tables as the tables of `counterpoise study`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.cli import console
from counterpoise.cli.commands.passk import parse_ks
from counterpoise.cli.views.arms import cautions_of, default_ks, print_tables
from counterpoise.errors import UsageError
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED, ArmRow, frontier
from counterpoise.evaluation.statistics.averages import averaged_arms
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import (
    ArmDifference,
    GridPlace,
    MeasuredStudy,
    by_reference,
    cells_by_place,
    from_runs,
    place_of,
)
from counterpoise.evaluation.statistics.ended import ended_alone, stands_still
from counterpoise.evaluation.statistics.places import place_text
from counterpoise.evaluation.store.inputs import hashes_of
from counterpoise.report.study_success import at_training_success
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.jobs.study.trajectory import At

__all__ = ["print_stored"]


def print_stored(
    study: MeasuredStudy,
    files: Sequence[Path],
    at: At,
    against: str,
    k: list[str] | None,
    *,
    mean: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Print a table for each place, as `print_arms` does from the runs; with `mean` that over places, with intervals over seeds alone.

    Without a step in `at` it is the last that any arm of the place was measured at; an arm or a seed that was not is named.

    Raises:
        UsageError: nothing was measured after that step, a k is not in the tables, or `sharpened` without the base drawn colder.
    """
    if against not in (BASE, SHARPENED, *study.arms):
        raise UsageError(
            f"--against {against} is not an arm of these tables; there are: {', '.join([BASE, SHARPENED, *study.arms])}"
        )
    measured = study
    if at.kind == "success":
        study = at_training_success(study, at.success)
    if against == SHARPENED and not any(one.against == SHARPENED for one in study.differences):
        where, how = ("", "--csv TABLE")
        if at.kind == "success":
            where, how = " at equal training success", f"--at success={at.success:g}"
        raise UsageError(
            f"these tables hold no difference from sharpened{where}; where the runs are: counterpoise study FILE --against sharpened {how}"
        )
    over = by_reference(study)
    still, alone = (stands_still(study.cells), ended_alone(study.cells)) if at.kind == "frontier" else (set(), set())
    places: dict[GridPlace, list[ArmRow]] = {}
    pending: list[str] = []
    ks: set[tuple[int, ...]] = set()
    for place, by_step in cells_by_place(study.cells).items():
        steps = sorted(by_step) if at.kind == "frontier" else [max(by_step) if at.step is None else at.step]
        found = [
            (step, arm, own)
            for step in steps
            for arm, own in by_step.get(step, {}).items()
            if (place, arm, step) not in alone and any(((place, arm, cell.seed), step) not in still for cell in own)
        ]
        found.sort(key=lambda one: (study.arms.index(one[1]), one[0]))
        pending += _pending(place, measured.cells, {(arm, cell.seed) for _, arm, own in found for cell in own})
        if found:
            ks |= {own[0].ks for _, _, own in found}
            places[place] = [
                _row(
                    f"{arm} @{step}" if at.kind == "frontier" else arm,
                    own,
                    over.get((place, arm, step, against)),
                    against,
                    study.confidence,
                )
                for step, arm, own in found
            ]
    for place in cells_by_place(measured.cells):
        if place not in places:
            pending += [run for run in _pending(place, measured.cells, set()) if run not in pending]
    if not places:
        raise UsageError(
            f"no run of these tables has a training success of {at.success:g} between two evaluations"
            if at.kind == "success"
            else f"no run of these tables was measured after step {at.step}"
        )
    common = min(ks, key=len)
    shown = _shown(k, common)
    averaged = averaged_arms(study, step=at.step, against=against) if mean else None
    if averaged is not None:
        study = replace(study, notes=(*study.notes, *_of_mean(averaged, measured, against, len(places))))
    _print(study, files, at, against, places, averaged, common, shown, pending, markdown=markdown, as_json=as_json)


def _row(
    name: str, own: Sequence[CellPoint], difference: ArmDifference | None, against: str, confidence: float
) -> ArmRow:
    if difference is not None:  # of the same seeds
        own = [cell for cell in own if (cell.seed or 0) in difference.seeds]
    points = [from_runs(column, confidence=confidence) for column in zip(*(c.points for c in own), strict=True)]
    moved: tuple[Any, ...] = difference.points if difference is not None else ()
    if difference is None and against in (BASE, SHARPENED):  # e.g. a pass@1 that the base has at no temperature
        moved = tuple(replace(point, estimate=math.nan, low=math.nan, high=math.nan) for point in points)
    seeds = difference.seeds if difference is not None else tuple(cell.seed or 0 for cell in own)
    return ArmRow(name=name, seeds=seeds, points=tuple(points), differences=moved)


def _pending(place: GridPlace, cells: Sequence[CellPoint], there: set[tuple[str, int | None]]) -> list[str]:
    runs = dict.fromkeys((c.arm, c.seed) for c in cells if c.seed is not None and place_of(c) == place)
    where = _heading(place)
    return [", ".join(filter(None, [where, f"{arm} seed {seed}"])) for arm, seed in runs if (arm, seed) not in there]


def _heading(place: GridPlace) -> str:
    bed, axes = place
    return ", ".join(filter(None, [bed, place_text(dict(axes))]))


def _shown(k: list[str] | None, ks: Sequence[int]) -> list[int]:
    if not k:
        return default_ks(ks)
    asked = list(ks) if k == ["all"] else parse_ks(k)
    absent = [value for value in asked if value not in ks]
    if absent:
        raise UsageError(f"--k {absent[0]}: these tables hold k = {', '.join(map(str, ks))}; any other takes the runs")
    return asked


def _print(
    study: MeasuredStudy,
    files: Sequence[Path],
    at: At,
    against: str,
    places: dict[GridPlace, list[ArmRow]],
    averaged: Sequence[ArmRow] | None,
    ks: Sequence[int],
    shown: Sequence[int],
    pending: Sequence[str],
    *,
    markdown: bool,
    as_json: bool,
) -> None:
    told: list[dict[str, Any]] = []
    cautions: list[str] = []
    for place, rows in places.items():
        rows = [_cut(row, len(ks)) for row in rows]
        if at.kind != "success":  # they are of intervals over problems
            cautions += [caution for caution in cautions_of(rows) if caution not in cautions]
        own: dict[str, Any] = {"place": _heading(place), "arms": [asdict(row) for row in rows]}
        if at.kind == "frontier":
            own["frontier"] = [row.name for row, free in zip(rows, frontier(rows), strict=True) if free]
        told.append(own)
        if not as_json:
            heading = f"{_heading(place)}: " if _heading(place) else ""
            print_tables(heading, {against: rows}, at, shown, ks, study.confidence, control=None, markdown=markdown)
    if averaged and not as_json:
        heading = f"mean over {counted(len(places), 'place')}: "
        print_tables(heading, {against: averaged}, at, shown, ks, study.confidence, control=None, markdown=markdown)
    if as_json:
        inputs = {str(path): hashes_of(path) for path in files}
        beside = {"pending": list(pending), "cautions": cautions, "notes": list(study.notes), "inputs": inputs}
        over = {} if averaged is None else {"mean": [asdict(row) for row in averaged]}
        console.print_json({"against": against, "ks": list(ks), "places": told, **over, **beside})
        return
    for caution in cautions:
        text = f"\n{caution[0].upper()}{caution[1:]}." if markdown else caution
        console.stdout.print(text, soft_wrap=True)
    for note in study.notes:
        console.note(note)
    if pending:
        why = (
            f"no training success of {at.success:g} between two evaluations"
            if at.kind == "success"
            else "not measured there, or at other k than the rest"
        )
        console.note(f"{why}: {', '.join(pending)}")


def _of_mean(averaged: Sequence[ArmRow], study: MeasuredStudy, against: str, places: int) -> list[str]:
    """What the mean does not hold."""
    there = {row.name: row for row in averaged}
    of_all = f"all {places} places" if places > 1 else "the place"
    absent = [arm for arm in study.arms if arm not in there]
    fewer = [
        f"{arm} ({len(row.seeds)} of {counted(seeds, 'seed')})"
        for arm, row in there.items()
        if len(row.seeds) < (seeds := len({cell.seed for cell in study.cells if cell.arm == arm}))
    ]
    told = (
        ["the intervals of the mean are Student's over seeds: problems and places are taken as they are"]
        if there
        else []
    )
    if absent:
        told.append(f"not in the mean, for no seed has a run in {of_all}: {', '.join(absent)}")
    if against in absent:
        told.append(f"so the mean has no difference from {against}")
    if fewer:
        told.append(f"in the mean by the seeds that have one in {of_all}, {against} too: {', '.join(fewer)}")
    return told


def _cut(row: ArmRow, ks: int) -> ArmRow:
    """The columns that all places have: the first k, and the area, which is that over all k of the place."""
    return replace(
        row,
        points=(*row.points[:ks], row.points[-1]),
        differences=(*row.differences[:ks], row.differences[-1]) if row.differences else (),
    )

"""Arms of a study as tables of pass@k: one for each bed and value of the axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from counterpoise.cli import console
from counterpoise.cli.commands.passk import parse_ks
from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED, Arm, ArmRow, arm_rows, frontier, mean_rows
from counterpoise.evaluation.statistics.cautions import few_problems, few_seeds
from counterpoise.evaluation.store.inputs import hashes_of
from counterpoise.jobs.study.trajectory import At, arms_at
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.evaluation.statistics.counts import ProblemCounts
    from counterpoise.evaluation.statistics.seeds import SeededInterval
    from counterpoise.jobs.study import Study, StudyRun

__all__ = ["cautions_of", "default_ks", "print_arms", "print_tables"]

_DEFAULT_KS = (1, 8, 32, 128)
_UNTRAINED = "no run is finished; train with: counterpoise study FILE"


def print_arms(
    found: Study,
    at: At,
    against: str,
    temperatures: Sequence[float],
    k: list[str] | None,
    confidence: float,
    *,
    control: str | None,
    mean: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Print what is finished; differences from `against`, and from the arm `control` where it is finished; with `mean` that over places.

    Raises:
        UsageError: nothing is finished, or the base was not measured at a temperature.
    """
    places = {}
    unmeasured: list[UsageError] = []
    for place, runs in found.places.items():
        try:
            colder = _colder(runs[0], temperatures)
        except UsageError as error:
            unmeasured.append(error)
            continue
        arms = arms_at(runs, at, colder)
        n = min((problem.n for arm in arms for problem in _all_counts(arm)), default=0)
        named = against in (BASE, SHARPENED) or any(arm.name == against and arm.after for arm in arms)
        if n > 1 and (named or not found.in_grid):  # a grid is shown where the arm that is meant has come so far
            places[place] = arms, n
    if unmeasured and (not places or not found.in_grid):
        raise unmeasured[0]
    if not places:
        _refuse(found, at)
    n = min(n for _, n in places.values())
    octaves = k_sweep(n)
    shown = [value for value in parse_ks(k, n) if value <= n] if k else default_ks(octaves)
    ks = sorted({*octaves, *shown})
    told: list[dict[str, Any]] = []
    pending = [
        f"{run.place}{', ' if run.place else ''}{run.arm} seed {run.seed}"
        for run in found.runs
        if run.result(at.step) is None
    ]
    cautions: list[str] = []
    undefined = False
    for place, (arms, _) in places.items():
        tables = {}
        for reference in (against, control):
            there = reference is not None and any(arm.name == reference and arm.after for arm in arms)
            if reference is not None and (there or reference == against) and reference not in tables:
                tables[reference] = arm_rows(arms, ks, against=reference, confidence=confidence, area_ks=octaves)
        rows = tables[against]
        cautions += [caution for caution in cautions_of(rows) if caution not in cautions]
        undefined |= any(math.isnan(row.differences[0].estimate) for row in rows if row.differences)
        own: dict[str, Any] = {"arms": [asdict(row) for row in rows]}
        if at.kind == "frontier":
            own["frontier"] = [row.name for row, free in zip(rows, frontier(rows), strict=True) if free]
        if control in tables:
            own |= {"placebo": control, "less_placebo": [asdict(row) for row in tables[control]]}
        told.append({"place": place, **own})
        if not as_json:
            heading = f"{place}: " if place else ""
            print_tables(heading, tables, at, shown, ks, confidence, control=control, markdown=markdown)
    over: list[ArmRow] = []
    if mean:
        of_places = [arms for arms, _ in places.values()]
        over = mean_rows(of_places, ks, against=against, confidence=confidence, area_ks=octaves)
        cautions += [caution for caution in cautions_of(over) if caution not in cautions]
    if over and not as_json:
        heading = f"mean over {counted(len(places), 'place')}: "
        print_tables(heading, {against: over}, at, shown, ks, confidence, control=control, markdown=markdown)
    if as_json:
        inputs = {str(path): hashes_of(path) for path in found.stores(temperatures)}
        beside = {"pending": pending, "cautions": cautions, "inputs": inputs}
        averaged = {"mean": [asdict(row) for row in over]} if mean else {}
        whole = (
            {"places": told, **averaged} if found.in_grid else {key: v for key, v in told[0].items() if key != "place"}
        )
        console.print_json({"against": against, "ks": ks, **whole, **beside})
        return
    for caution in cautions:
        text = f"\n{caution[0].upper()}{caution[1:]}." if markdown else caution
        console.stdout.print(text, soft_wrap=True)
    if markdown:
        return
    if undefined:
        console.note("undefined: a seed's pass@1 is above or below that of the base at every temperature measured")
    if at.kind == "success":
        for line in _unreached(found, places, at.success):
            console.note(line)
    if pending:
        console.note(f"not finished: {', '.join(pending)}")


def default_ks(ks: Sequence[int]) -> list[int]:
    """Numbers of tries that a table shows where none is asked for."""
    return [k for k in _DEFAULT_KS if k in ks]


def _refuse(found: Study, at: At) -> None:
    trained = any(run.trained for run in found.runs)
    missing = _UNTRAINED
    if trained and at.kind == "success":
        missing = f"no run has a training success of {at.success:g} between two evaluations; evaluation.every measures on the way"
    elif trained and at.step is not None:
        missing = f"no run was measured after step {at.step}; evaluation.every measures on the way"
    elif trained:
        missing = "no finished run was measured like this; leave --show away to do it"
    raise UsageError(f"nothing to show in {found.directory}: {missing}")


def _unreached(found: Study, places: Mapping[str, tuple[Sequence[Arm], int]], success: float) -> list[str]:
    reached = {(place, arm.name, seed) for place, (arms, _) in places.items() for arm in arms for seed in arm.after}
    absent = [run.label for run in found.runs if run.trained and (run.place, run.arm, run.seed) not in reached]
    return [f"no training success of {success:g} between two evaluations: {'; '.join(absent)}"] if absent else []


def print_tables(
    heading: str,
    tables: Mapping[str, Sequence[ArmRow]],
    at: At,
    shown: Sequence[int],
    ks: Sequence[int],
    confidence: float,
    *,
    control: str | None,
    markdown: bool,
) -> None:
    """Print a table for each reference; `heading` names the place, `control` is the reference that is a placebo."""
    columns = [*(f"k={value}" for value in shown), "area"]
    picked = [*(ks.index(value) for value in shown), len(ks)]
    for reference, rows in tables.items():
        marks = _marks(rows) if at.kind == "frontier" else {}
        table = [[row.name, str(len(row.seeds)), *(_cell(row, column) for column in picked)] for row in rows]
        for cells in table:
            cells[2:2] = [marks[cells[0]]] if marks else []
        names = ["arm", "seeds", *(["frontier"] if marks else []), *columns]
        what = f"{reference}, the placebo," if reference == control else reference
        where = f" at a training success of {at.success:g}" if at.kind == "success" else ""
        where = f" after step {at.step}" if at.step is not None else where
        title = (
            f"{heading}pass@k %{where}, in brackets the difference from {what} in points with its "
            f"{100 * confidence:g}% interval"
        )
        if markdown:
            if reference == control:
                console.stdout.print(f"\nDifferences from {what} instead:\n", soft_wrap=True)
            elif heading:
                console.stdout.print(f"\n{heading[:-2]}:\n", soft_wrap=True)
            _print_markdown(names, table)
            continue
        shape = console.table(*names, title=title, numbers=("seeds", *columns))
        for cells in table:
            shape.add_row(*cells)
        console.stdout.print(shape)


def _marks(rows: Sequence[ArmRow]) -> dict[str, str]:
    """By row: whether it is on the frontier, and whether it has the largest area of its arm."""
    best: dict[str, ArmRow] = {}
    for row in rows:
        arm = row.name.rpartition(" @")[0]
        if arm not in best or row.points[-1].estimate > best[arm].points[-1].estimate:
            best[arm] = row
    words = {row.name: ["on it"] if free else [] for row, free in zip(rows, frontier(rows), strict=True)}
    for arm, row in best.items():
        words[row.name].append(f"best of {arm}")
    return {name: ", ".join(said) for name, said in words.items()}


def _all_counts(arm: Arm) -> list[ProblemCounts]:
    second = [counts for counts, _ in arm.towards.values()]
    return [problem for counts in (*arm.after.values(), *second) for problem in counts]


def cautions_of(rows: Sequence[ArmRow]) -> list[str]:
    """What stands under the table of few seeds or few problems."""
    shown = [interval for row in rows for interval in (row.differences or row.points)[:1]]
    few = few_problems(max((interval.problems for interval in shown), default=0))
    return [text for text in (few_seeds(len(interval.by_seed) for interval in shown), few) if text]


def _colder(run: StudyRun, temperatures: Sequence[float]) -> dict[float, Sequence[ProblemCounts]]:
    found = {temperature: run.base_at(temperature) for temperature in temperatures}
    missing = [f"{temperature:g}" for temperature, result in found.items() if result is None]
    if missing:
        raise UsageError(
            f"the base of {run.arm} was not measured at temperature {', '.join(missing)}; leave --show away to do it"
        )
    return {temperature: result.counts for temperature, result in found.items() if result is not None}


def _cell(row: ArmRow, column: int) -> str:
    point = f"{100 * row.points[column].estimate:.1f}"
    return f"{point} ({_moved(row.differences[column])})" if row.differences else point


def _moved(difference: SeededInterval) -> str:
    if math.isnan(difference.estimate):
        return "undefined"
    estimate, low, high = (100 * value for value in (difference.estimate, difference.low, difference.high))
    # 0 is added so that what is rounded to it has no sign of its own: -0.0 is a difference nobody measured
    form = "{:+.1f}" if math.isnan(low) else "{:+.1f} [{:+.1f}, {:+.1f}]"
    return form.format(*(round(value, 1) + 0.0 for value in (estimate, low, high)))


def _print_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [columns, ["---"] * len(columns), *rows]
    for cells in lines:
        console.stdout.print("| " + " | ".join(cells) + " |", soft_wrap=True)

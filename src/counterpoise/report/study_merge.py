"""Tables of one study, or of parts of it, put together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint, near, same_curve
from counterpoise.evaluation.statistics.differences import (
    ArmDifference,
    GridPlace,
    MeasuredStudy,
    cells_by_place,
    from_runs,
    place_of,
    turned,
)
from counterpoise.evaluation.statistics.ended import carried_on
from counterpoise.evaluation.statistics.places import named_place
from counterpoise.evaluation.statistics.redraws import redrawn
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.report.study_notes import table_notes
from counterpoise.report.study_read import StoredTable
from counterpoise.text import counted

__all__ = ["merged_study", "stored_differences"]

_OF_TWO_DRAWS = "runs that two tables have are compared in each with another draw of their base: one of them is taken, whatever the order"

_Arm = tuple[GridPlace, str]


def merged_study(tables: Sequence[StoredTable]) -> MeasuredStudy:
    """One study of tables that share beds, axes and bases, each with other places, arms, seeds or steps.

    Bases that were drawn under other seeds are one base (`redrawn`): the middle draw is kept, every run is compared with its own, and
    `notes` says so, also where the tables were put together before. A run that two tables have is taken once. Where they have other
    numbers for it, that of the table with more seeds of this arm in this place is taken, and what is left out is said in `notes`.
    Differences over seeds are those that a table holds for exactly these seeds; otherwise those from a base have the interval
    `from_runs`, and those between arms have none.

    Raises:
        DataError: other axes, levels or bases; or two tables with as many seeds of an arm and other numbers.
    """
    axes = {table.axes for table in tables}
    if len(axes) > 1:
        said = "; ".join(f"{table.path}: {', '.join(table.axes) or 'none'}" for table in tables)
        raise DataError(f"these are not tables of one study: their axes differ ({said})")
    levels = {_level(table) for table in tables}
    if len(levels) > 1:
        said = ", ".join(f"{table.path} {_level(table):g}" for table in tables)
        raise DataError(
            f"intervals at several levels cannot stand side by side: {said}; write them with one --confidence"
        )
    tables = _with_problems(tables)
    cells, notes = _bases(tables)
    for key, sources in _by_arm(tables, trained=True).items():
        taken, left_out = _taken(key, sources)
        cells += taken
        notes += left_out
    cells = carried_on(_ordered(cells, tables))
    (confidence,) = levels
    return MeasuredStudy(
        cells=tuple(cells),
        differences=tuple(stored_differences(cells, tables, confidence)),
        confidence=confidence,
        notes=(*dict.fromkeys(notes), *table_notes(cells, tables)),
    )


def _with_problems(tables: Sequence[StoredTable]) -> list[StoredTable]:
    """How many problems an earlier release's table was measured on, from another table of the same place, whose base it shares."""
    known: dict[GridPlace, set[int]] = {}
    for cell in (cell for table in tables for cell in table.cells):
        known.setdefault(place_of(cell), set()).update({point.problems for point in cell.points} - {0})

    def filled(cell: CellPoint) -> CellPoint:
        found = known[place_of(cell)]
        if len(found) != 1 or cell.points[0].problems:
            return cell
        (problems,) = found
        less = {name: tuple(replace(p, problems=problems) for p in own) for name, own in cell.less.items()}
        return replace(cell, points=tuple(replace(p, problems=problems) for p in cell.points), less=less)

    return [replace(table, cells=tuple(map(filled, table.cells))) for table in tables]


def _by_arm(tables: Sequence[StoredTable], *, trained: bool) -> dict[_Arm, list[tuple[StoredTable, list[CellPoint]]]]:
    """Cells of runs, or of bases, by arm, table by table."""
    found: dict[_Arm, list[tuple[StoredTable, list[CellPoint]]]] = {}
    for table in tables:
        own: dict[_Arm, list[CellPoint]] = {}
        for cell in table.cells:
            if (cell.seed is not None) == trained:
                own.setdefault((place_of(cell), cell.arm), []).append(cell)
        for key, cells in own.items():
            found.setdefault(key, []).append((table, cells))
    return found


def _bases(tables: Sequence[StoredTable]) -> tuple[list[CellPoint], list[str]]:
    """The middle draw of each base, however the tables are ordered, and a note where it was drawn anew."""
    found: list[CellPoint] = []
    apart: list[float] = []
    for (place, arm), sources in _by_arm(tables, trained=False).items():
        first, cells = _middle(sources)
        for table, others in sources:
            for other in others:
                drawn = _curve(other)
                alike = [curve for one in cells if _one_base(curve := _curve(one), drawn, one, other)]
                if not alike:
                    raise DataError(_another(f"{first.path} and {table.path} have", arm, place))
                apart.append(min(max(abs(a - b) for a, b in zip(curve, drawn, strict=True)) for curve in alike))
        found += cells
    if len(tables) > 1:
        _check_bases(tables, found)
    apart += _own_draws(tables, found)
    if near(max(apart, default=0.0), 0.0):
        return found, []
    return found, [
        f"bases were drawn again under other seeds, at most {100 * max(apart):.1f} points of pass@k apart: runs are compared with their own"
    ]


def _middle(sources: Sequence[tuple[StoredTable, list[CellPoint]]]) -> tuple[StoredTable, list[CellPoint]]:
    """Of the tables with most of a base's cells that with the middle draw."""
    most = max(len(cells) for _, cells in sources)
    whole = sorted((one for one in sources if len(one[1]) == most), key=lambda one: [_curve(cell) for cell in one[1]])
    return whole[(len(whole) - 1) // 2]


def _own_draws(tables: Sequence[StoredTable], bases: Sequence[CellPoint]) -> Iterator[float]:
    """How far each run's own base, which its differences tell, is from that of its place."""
    kept = {place_of(cell): _curve(cell) for cell in bases if cell.arm == BASE}
    for cell in (cell for table in tables for cell in table.cells if cell.seed is not None):
        own, base = _own_base(cell), kept.get(place_of(cell), [])
        if own and len(own) == len(base):
            yield max(abs(a - b) for a, b in zip(own, base, strict=True))


def _check_bases(tables: Sequence[StoredTable], bases: Sequence[CellPoint]) -> None:
    """That every run's own base, which its differences tell, is one of its place, or where that has none that of the first run there."""
    known: dict[GridPlace, list[tuple[list[float], CellPoint]]] = {}
    for cell in bases:
        if cell.arm == BASE:
            known.setdefault(place_of(cell), []).append((_curve(cell), cell))
    for table in tables:
        for cell in table.cells:
            own = _own_base(cell)
            if cell.seed is None or not own:
                continue
            there = known.setdefault(place_of(cell), [(own, cell)])
            alike = [(curve, one) for curve, one in there if one.ks == cell.ks]
            if alike and not any(_one_base(own, curve, cell, one) for curve, one in alike):
                raise DataError(_another(f"{table.path} has runs of", BASE, place_of(cell)))


def _another(where: str, arm: str, place: GridPlace) -> str:
    return (
        f"{where} another {arm} in {named_place(*place)}: they are not tables of one study, or of so few rollouts that a base drawn again "
        "cannot be told from another one"
    )


def _taken(key: _Arm, sources: Sequence[tuple[StoredTable, list[CellPoint]]]) -> tuple[list[CellPoint], list[str]]:
    """The cells of an arm in a place, and a note on each table that is left out."""
    ordered = sorted(sources, key=lambda source: _rank(source[1]))
    taken: dict[tuple[int | None, int], tuple[StoredTable, CellPoint, int]] = {}
    notes = []
    for table, cells in ordered:
        clashes = [
            (other, many)
            for cell in cells
            for other, there, many in filter(None, [taken.get((cell.seed, cell.step))])
            if not same_curve(cell, there)
        ]
        where = f"{key[1]} in {named_place(*key[0])}"
        if clashes:
            other, many = clashes[0]
            if many == _seeds(cells):
                raise DataError(
                    f"{other.path} and {table.path} both have {counted(many, 'seed')} of {where}, with other numbers; leave one out"
                )
            notes.append(
                f"{where} is taken from {other.path} ({counted(many, 'seed')}) and not from {table.path} "
                f"({counted(_seeds(cells), 'seed')}), which has other numbers"
            )
            continue
        for cell in cells:
            key_of = cell.seed, cell.step
            source, there, many = taken.setdefault(key_of, (table, cell, _seeds(cells)))
            if _two_draws(cell, there):
                notes.append(_OF_TWO_DRAWS)
            known, more = _known(there), _known(cell)
            if more.keys() - known.keys():  # e.g. from the base drawn colder, which one of the tables has
                taken[key_of] = source, replace(there, less={**there.less, **more, **known}), many
    return [cell for _, cell, _ in sorted(taken.values(), key=lambda one: (one[1].seed or 0, one[1].step))], notes


def _known(cell: CellPoint) -> dict[str, tuple[SeededInterval, ...]]:
    """The differences of a run that are numbers."""
    return {name: tuple(own) for name, own in cell.less.items() if not all(math.isnan(one.estimate) for one in own)}


def _rank(cells: Sequence[CellPoint]) -> tuple[int, int, list[int], list[list[float]]]:
    """Tables with more seeds first, then those with more steps, with later seeds, with higher bases: never by how they were named."""
    return (
        -_seeds(cells),
        -len(cells),
        [-(cell.seed or 0) for cell in cells],
        [[-v for v in _own_base(cell)] for cell in cells],
    )


def _two_draws(one: CellPoint, other: CellPoint) -> bool:
    """Whether a run that two tables have is compared in them with two draws of its base."""
    own, theirs = _own_base(one), _own_base(other)
    return bool(own and theirs) and not all(map(near, own, theirs))


def _ordered(cells: Sequence[CellPoint], tables: Sequence[StoredTable]) -> list[CellPoint]:
    """Place by place, bases first, otherwise as they stand in the tables."""
    known = [cell for table in tables for cell in table.cells]
    places = {place: number for number, place in enumerate(dict.fromkeys(map(place_of, known)))}
    at = {key: number for number, key in enumerate(dict.fromkeys(map(_key, known)))}
    return sorted(cells, key=lambda cell: (places[place_of(cell)], cell.seed is not None, at[_key(cell)]))


def _key(cell: CellPoint) -> tuple[GridPlace, str, int | None, int]:
    return place_of(cell), cell.arm, cell.seed, cell.step


def stored_differences(
    cells: Sequence[CellPoint], tables: Sequence[StoredTable], confidence: float
) -> Iterator[ArmDifference]:
    """What each arm has more than its base, than that drawn colder, and than every arm before it, at equal steps.

    Args:
        cells: runs without single problems.
        tables: whose differences are taken where they are of just these runs, for they have an interval over problems.
        confidence: level of the intervals.
    """
    stored: dict[tuple[GridPlace, int, str, str, tuple[int, ...], tuple[int, ...]], list[ArmDifference]] = {}
    for table in tables:
        for one in table.differences:
            key = (place_of(one), one.step, one.arm, one.against, one.seeds, one.ks)
            stored.setdefault(key, []).append(one)
            swapped = (place_of(one), one.step, one.against, one.arm, one.seeds, one.ks)
            stored.setdefault(swapped, []).append(turned(one))
    for place, by_step in cells_by_place(cells).items():
        for step, by_arm in sorted(by_step.items()):
            for number, (arm, own) in enumerate(by_arm.items()):
                for against, runs in _runs(own, list(by_arm.items())[:number]):
                    seeds, ks = tuple(runs), own[0].ks
                    columns = list(zip(*runs.values(), strict=True))
                    candidates = stored.get((place, step, arm, against, seeds, ks), [])
                    candidates = sorted(candidates, key=lambda one: math.isnan(one.points[-1].low))
                    points = next(
                        (_filled(one.points, columns) for one in candidates if _means(one.points, columns)),
                        tuple(from_runs(column, confidence=confidence) for column in columns),
                    )
                    yield ArmDifference(
                        bed=place[0],
                        axes=dict(place[1]),
                        arm=arm,
                        against=against,
                        step=step,
                        seeds=seeds,
                        ks=ks,
                        points=points,
                    )


def _runs(
    own: Sequence[CellPoint], before: Sequence[tuple[str, Sequence[CellPoint]]]
) -> Iterator[tuple[str, dict[int, tuple[SeededInterval, ...]]]]:
    """By reference: what each seed's run is less it."""
    for name in (BASE, SHARPENED):
        known = {cell.seed or 0: cell.less[name] for cell in own if name in cell.less}
        if known:
            yield name, known
    for arm, others in before:
        there = {(cell.seed, cell.ks): cell for cell in others}
        pairs = {
            cell.seed or 0: _less(cell, there[cell.seed, cell.ks]) for cell in own if (cell.seed, cell.ks) in there
        }
        paired = {seed: less for seed, less in pairs.items() if less}
        if paired:
            yield arm, paired


def _less(cell: CellPoint, other: CellPoint) -> tuple[SeededInterval, ...]:
    """The difference of two runs on one base, which has no interval here; nothing where the bases differ."""
    base, again = _own_base(cell), _own_base(other)
    if not base or not _one_base(base, again, cell, other):
        return ()
    return tuple(
        replace(point, estimate=difference, low=math.nan, high=math.nan, by_seed=(difference,))
        for point, reference in zip(cell.points, other.points, strict=True)
        for difference in [point.estimate - reference.estimate]
    )


def _one_base(base: Sequence[float], again: Sequence[float], cell: CellPoint, other: CellPoint) -> bool:
    """Whether two curves with their areas, those of the bases of two runs or of two bases, are of one policy on the same problems."""
    if len(base) != len(again) or cell.ks != other.ks:
        return False
    problems = {one.points[0].problems for one in (cell, other)} - {0}
    return all(map(near, base, again)) or (
        len(problems) == 1 and redrawn(base[:-1], again[:-1], cell.ks, problems=problems.pop())
    )


def _means(points: Sequence[SeededInterval], columns: Sequence[Sequence[SeededInterval]]) -> bool:
    """Whether a stored difference is that of these runs."""
    return all(
        near(point.estimate, math.fsum(run.estimate for run in column) / len(column))
        for point, column in zip(points, columns, strict=True)
    )


def _filled(
    points: Sequence[SeededInterval], columns: Sequence[Sequence[SeededInterval]]
) -> tuple[SeededInterval, ...]:
    return tuple(
        replace(point, by_seed=tuple(run.estimate for run in column))
        for point, column in zip(points, columns, strict=True)
    )


def _level(table: StoredTable) -> float:
    return 0.95 if table.confidence is None else table.confidence


def _seeds(cells: Sequence[CellPoint]) -> int:
    return len({cell.seed for cell in cells})


def _curve(cell: CellPoint) -> list[float]:
    return [point.estimate for point in cell.points]


def _own_base(cell: CellPoint) -> list[float]:
    """pass@k and area of the base that a run is compared with; empty where no difference from it is known."""
    return [point.estimate - less.estimate for point, less in zip(cell.points, cell.less.get(BASE, ()), strict=False)]

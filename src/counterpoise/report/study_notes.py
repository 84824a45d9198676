"""What is said beside a study that was put together from tables: how its intervals were made, and what does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import GridPlace, place_of
from counterpoise.evaluation.statistics.places import named_place
from counterpoise.report.study_read import StoredTable

__all__ = ["OF_SEVERAL_TABLES", "table_notes"]

OF_SEVERAL_TABLES = (
    "where the seeds of an arm come from several tables, its interval takes the spread over problems at its largest, and what it differs "
    "by from another arm has none"
)
"""A note on the intervals of a merged study."""


def table_notes(cells: Sequence[CellPoint], tables: Sequence[StoredTable]) -> Iterator[str]:
    """Notes on the study of these cells.

    Args:
        cells: what was taken from the tables.
        tables: as they were read.
    """
    yield from _unlike(tables)
    yield from _missing(cells, tables)


def _missing(cells: Sequence[CellPoint], tables: Sequence[StoredTable]) -> Iterator[str]:
    older = [str(table.path) for table in tables if table.confidence is None]
    if older:
        yield (
            f"{', '.join(older)} was written by an earlier release, without the level of its intervals (95% is taken) or intervals "
            "over seeds and between arms"
        )
    together = [_arms_over_seeds(table.cells) for table in tables]
    apart = any(
        not any(seeds <= own.get(arm, set()) for own in together) for arm, seeds in _arms_over_seeds(cells).items()
    )
    if apart or any(map(_of_several, tables)):
        yield OF_SEVERAL_TABLES


def _of_several(table: StoredTable) -> bool:
    """Whether it was written from several: what two arms of some seeds differ by has no interval in it."""
    return any(
        len(one.seeds) > 1 and one.against not in {BASE, SHARPENED} and math.isnan(one.points[-1].low)
        for one in table.differences
    )


def _unlike(tables: Sequence[StoredTable]) -> Iterator[str]:
    """Where two tables saw the problems of one place differently often by the first step they share: they may be of other settings."""
    for first, second in combinations(tables, 2):
        one, other = _seen(first), _seen(second)
        for place in one.keys() & other.keys():
            step = min(one[place].keys() & other[place].keys(), default=None)
            if step is None or one[place][step] & other[place][step]:
                continue
            times = " and ".join(
                f"{min(seen[place][step]):.3g} times in {table.path}" for seen, table in ((one, first), (other, second))
            )
            yield f"after step {step} problems of {named_place(*place)} were seen {times}: were they trained alike?"
            return


def _seen(table: StoredTable) -> dict[GridPlace, dict[int, set[float]]]:
    found: dict[GridPlace, dict[int, set[float]]] = {}
    for cell in table.cells:
        if cell.seed is not None and "rollouts_per_problem" in cell.trained:
            found.setdefault(place_of(cell), {}).setdefault(cell.step, set()).add(cell.trained["rollouts_per_problem"])
    return found


def _arms_over_seeds(cells: Sequence[CellPoint]) -> dict[tuple[GridPlace, str], set[int]]:
    found: dict[tuple[GridPlace, str], set[int]] = {}
    for cell in cells:
        if cell.seed is not None:
            found.setdefault((place_of(cell), cell.arm), set()).add(cell.seed)
    return found

"""The cells of a grid as one CSV: a line for each run, step and k, and one for the area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.files import atomic_write
from counterpoise.report.tidy import Row, write_rows

__all__ = ["write_study_csv"]

_TRAINED = ("rollouts_per_problem", "epochs", "updates", "tokens", "success")


def write_study_csv(cells: Sequence[CellPoint], path: Path) -> int:
    """Write the cells; shares are in [0, 1], intervals of one run are over problems. The number of lines below the heading.

    Columns: bed, a column for each axis, arm, seed, step, rollouts_per_problem, epochs, updates, tokens, success, quantity (`pass_at_k`, or
    `area` without a k), k, value, low, high, and the paired difference with its interval from the base and from the base sharpened to the
    same pass@1.

    Raises:
        StoreError: the file cannot be written.
    """
    axes = list(dict.fromkeys(axis for cell in cells for axis in cell.axes))
    ends = [f"less_{name}{end}" for name in (BASE, SHARPENED) for end in ("", "_low", "_high")]
    heading = ("bed", *axes, "arm", "seed", "step", *_TRAINED, "quantity", "k", "value", "low", "high", *ends)
    rows = list(_rows(cells, axes))
    atomic_write(path, partial(write_rows, rows=chain((heading,), rows)))
    return len(rows)


def _rows(cells: Sequence[CellPoint], axes: Sequence[str]) -> Iterator[Row]:
    for cell in cells:
        named = (cell.bed, *(cell.axes.get(axis) for axis in axes), cell.arm, cell.seed, cell.step)
        trained = [cell.trained.get(name) for name in _TRAINED]
        for column, point in enumerate(cell.points):
            what = ("pass_at_k", cell.ks[column]) if column < len(cell.ks) else ("area", None)
            less: list[float | None] = []
            for name in (BASE, SHARPENED):
                found = cell.less[name][column] if name in cell.less else None
                less += (found.estimate, found.low, found.high) if found is not None else (None, None, None)
            yield *named, *trained, *what, point.estimate, point.low, point.high, *less

"""All that a study measured as one CSV: a line for each run, step and k, one for the area, and the same of differences over seeds.

`study_read` reads it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import ArmDifference, MeasuredStudy
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.files import atomic_write
from counterpoise.report.tidy import Row, write_rows

__all__ = ["AREA", "ENDS", "LESS", "OF_RUN", "PASS_AT_K", "SINCE", "TRAINED", "write_study_csv"]

TRAINED = ("rollouts_per_problem", "epochs", "updates", "tokens", "success")
"""What the training of a run came to."""
PASS_AT_K, AREA, LESS = "pass_at_k", "area", "_less"
"""Quantities; with `_less` behind it, one is a difference over seeds."""
ENDS = ("", "_low", "_high")
"""A difference and its interval."""
OF_RUN = ("arm", "seed", "step", *TRAINED, "quantity", "k", "value", "low", "high")
"""Columns behind the bed and the axes; the differences of a run from its base, and from that drawn colder, follow."""
SINCE = ("against", "seeds", "problems", "confidence")
"""Columns that tables of earlier releases do not have."""


def write_study_csv(study: MeasuredStudy, path: Path) -> int:
    """Write the study; shares are in [0, 1], intervals of one run are over problems. The number of lines below the heading.

    Columns: bed, a column for each axis, arm, seed, step, rollouts_per_problem, epochs, updates, tokens, success, quantity (`pass_at_k`, or
    `area` without a k), k, value, low, high, the paired difference with its interval from the base and from the base sharpened to the same
    pass@1, against, seeds, problems, confidence. A line whose quantity is `pass_at_k_less` or `area_less` has no seed: its value is what an
    arm has more than `against` (another arm; the base or that sharpened where several seeds were measured) over those `seeds`, with its
    interval over seeds and problems.

    Raises:
        StoreError: the file cannot be written.
    """
    axes = list(dict.fromkeys(axis for cell in study.cells for axis in cell.axes))
    less = [f"less_{name}{end}" for name in (BASE, SHARPENED) for end in ENDS]
    heading = ("bed", *axes, *OF_RUN, *less, *SINCE)
    rows = [*_runs(study, axes), *_differences(study, axes)]
    atomic_write(path, partial(write_rows, rows=chain((heading,), rows)))
    return len(rows)


def _runs(study: MeasuredStudy, axes: Sequence[str]) -> Iterator[Row]:
    for cell in study.cells:
        named = (*_place(cell, axes), cell.arm, cell.seed, cell.step)
        trained = [cell.trained.get(name) for name in TRAINED]
        for column, point in enumerate(cell.points):
            less: list[float | None] = []
            for name in (BASE, SHARPENED):
                less += _interval(cell.less[name][column]) if name in cell.less else (None, None, None)
            since = (None, None, point.problems or None, study.confidence)
            yield *named, *trained, *_quantity(cell.ks, column), *_interval(point), *less, *since


def _differences(study: MeasuredStudy, axes: Sequence[str]) -> Iterator[Row]:
    nothing = [None] * len(TRAINED)
    for one in study.differences:
        if one.against in (BASE, SHARPENED) and len(one.seeds) == 1:
            continue  # the lines of that run have it
        named = (*_place(one, axes), one.arm, None, one.step)
        for column, point in enumerate(one.points):
            quantity, k = _quantity(one.ks, column)
            since = (one.against, " ".join(map(str, one.seeds)), point.problems or None, study.confidence)
            yield *named, *nothing, f"{quantity}{LESS}", k, *_interval(point), *[None] * (2 * len(ENDS)), *since


def _place(one: CellPoint | ArmDifference, axes: Sequence[str]) -> tuple[Any, ...]:
    return one.bed, *(one.axes.get(axis) for axis in axes)


def _quantity(ks: Sequence[int], column: int) -> tuple[str, int | None]:
    return (PASS_AT_K, ks[column]) if column < len(ks) else (AREA, None)


def _interval(point: SeededInterval) -> tuple[float, float, float]:
    return point.estimate, point.low, point.high

"""What `study_table` wrote, read again: the runs' folders may be gone."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED, stands_for_base
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import ArmDifference, place_of
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.files import JsonFault, read_text
from counterpoise.report.study_table import AREA, ENDS, LESS, OF_RUN, PASS_AT_K, SINCE, TRAINED
from counterpoise.report.tidy import without_apostrophe

__all__ = ["StoredTable", "read_study_csv"]

_LARGEST = 1 << 31
"""Whole numbers are below it."""
_HUGE = 1e18
"""Numbers are below it: no count of tokens comes near, and their squares are no infinities."""
_ROUNDED = 1e-9
"""By how much ten digits may put an end of an interval on the wrong side of its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """A CSV of a study."""

    path: Path
    """The file."""
    axes: tuple[str, ...]
    """Names of its axes."""
    cells: tuple[CellPoint, ...]
    """Its bases and runs, in the order of the file."""
    differences: tuple[ArmDifference, ...]
    """Its differences over seeds."""
    confidence: float | None
    """Level of its intervals; None in a file of an earlier release, which does not say."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with its number, from 1."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def fault(self, what: str) -> DataError:
        return DataError(
            f"{self.path}:{self.number}: {what}; a table of a study is what counterpoise study --csv wrote"
        )

    def text(self, column: str) -> str:
        """A name, in one line wherever it is shown."""
        text = without_apostrophe(self.cells.get(column) or "")
        if not text.isprintable():
            raise self.fault(f"{column} is {text!r}, which holds a character that cannot be shown")
        return text

    def number_in(self, column: str) -> float:
        """A finite number below 1e18, or NaN of an empty cell."""
        text = self.cells.get(column) or ""
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise self.fault(f"{column} is {text!r}, not a number") from None
        if text and not abs(value) < _HUGE:
            raise self.fault(
                f"{column} is {text!r}; numbers are finite and below {_HUGE:g}, and an undefined one is an empty cell"
            )
        return value

    def number_from(self, column: str, low: float, high: float) -> float:
        """A number in [low, high], or NaN of an empty cell."""
        value = self.number_in(column)
        if value < low or value > high:
            raise self.fault(f"{column} is {value:g}, which is not in [{low:g}, {high:g}]")
        return value

    def whole(self, column: str, text: str | None = None) -> int:
        """A whole number from 0."""
        text = (self.cells.get(column) or "") if text is None else text
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < _LARGEST):
            raise self.fault(f"{column} is {text!r}, not a whole number")
        return int(text)

    def interval(self, names: Sequence[str], by_seed: int = 1, *, least: float = -1.0) -> SeededInterval:
        """A value from `least` to 1, pass@k or what it differs by, between its ends."""
        value = self.number_from(names[0], least, 1.0)
        low, high = (self.number_in(name) for name in names[1:])
        if low > value + _ROUNDED or high < value - _ROUNDED:
            raise self.fault(f"{names[0]} is {value:g}, which is not between its ends {low:g} and {high:g}")
        problems = self.whole("problems") if self.cells.get("problems") else 0
        values = (value,) if by_seed == 1 else (math.nan,) * by_seed
        return SeededInterval(estimate=value, low=low, high=high, by_seed=values, problems=problems)


def read_study_csv(path: Path) -> StoredTable:
    """Read a table that `write_study_csv` wrote, of this release or of an earlier one, without what that does not hold.

    Raises:
        DataError: it cannot be read or is no such table; the message names the line.
    """
    try:
        text = read_text(path)
    except (OSError, JsonFault) as error:
        raise DataError(f"cannot read the table {path}: {getattr(error, 'strerror', None) or error}") from error
    lines = _lines(path, text)
    axes = next(lines).cells
    cells: list[CellPoint] = []
    found: list[ArmDifference] = []
    levels: set[float] = set()
    runs: dict[tuple[str, ...], int] = {}
    for block in _blocks(lines):
        levels |= {level for line in block if not math.isnan(level := line.number_in("confidence"))}
        if block[0].cells["quantity"].endswith(LESS):
            found.append(_difference(block, tuple(axes)))
        else:
            cells.append(_cell(block, tuple(axes)))
            _refuse_twice(block[0], tuple(axes), runs)
    if not any(cell.seed is not None for cell in cells):
        raise DataError(f"{path} has no line of a run; a table of a study is what counterpoise study --csv wrote")
    if len(levels) > 1 or not all(0.0 < level < 1.0 for level in levels):
        raise DataError(f"{path}: its intervals are at {sorted(levels)}; those of one table are at one level in (0, 1)")
    return StoredTable(
        path=path,
        axes=tuple(axes),
        cells=tuple(_with_undefined(cells)),
        differences=tuple(found),
        confidence=levels.pop() if levels else None,
    )


def _with_undefined(cells: Sequence[CellPoint]) -> Iterator[CellPoint]:
    """The cells, and where the base was drawn colder a difference from it for every run: not a number for one with empty cells.

    What is left out there has a pass@1 that the base has at no temperature: a mean over the other seeds would be a choice by outcome.
    """
    drawn = {place_of(cell) for cell in cells if cell.seed is None and cell.arm != BASE}
    for cell in cells:
        if cell.seed is None or SHARPENED in cell.less or place_of(cell) not in drawn:
            yield cell
            continue
        unknown = (
            replace(one, estimate=math.nan, low=math.nan, high=math.nan, by_seed=(math.nan,)) for one in cell.points
        )
        yield replace(cell, less={**cell.less, SHARPENED: tuple(unknown)})


def _lines(path: Path, text: str) -> Iterator[_Line]:
    """The axes as a line of their own, then every line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [without_apostrophe(name) for name in next(reader, [])]
        end = heading.index("arm") if "arm" in heading else -1
        axes = heading[1:end]
        less = [f"less_{name}{one}" for name in (BASE, SHARPENED) for one in ENDS]
        ours = ["bed", *axes, *OF_RUN, *less]
        if end < 1 or heading not in (ours, [*ours, *SINCE]) or len(set(heading)) < len(heading):
            raise DataError(
                f"{path} has not the columns of a study's table; write one with: counterpoise study FILE --csv"
            )
        yield _Line(path, 1, dict.fromkeys(axes, ""))
        for row in reader:
            line = _Line(path, reader.line_num, dict(zip(heading, row, strict=False)))
            if len(row) != len(heading):
                raise line.fault(f"{len(row)} cells under {len(heading)} columns")
            yield line
    except csv.Error as error:
        raise DataError(
            f"{path}:{reader.line_num}: {error}; a table of a study is what counterpoise study --csv wrote"
        ) from error


def _blocks(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """The lines of one run after one step, or of one difference: k by k, the area last."""
    block: list[_Line] = []
    for line in lines:
        quantity = line.cells["quantity"]
        if quantity.removesuffix(LESS) not in (PASS_AT_K, AREA):
            raise line.fault(f"quantity {quantity!r} is none of {PASS_AT_K}, {AREA} and the same with {LESS}")
        if block and _of(line) != _of(block[0]):
            raise line.fault("the lines before it have no area")
        block.append(line)
        if quantity.removesuffix(LESS) == AREA:
            yield block
            block = []
    if block:
        raise block[-1].fault("the lines up to it have no area")


def _of(line: _Line) -> list[str]:
    """What the lines of one block have in common."""
    changing = {"quantity", "k", "value", "low", "high", *(f"less_{n}{e}" for n in (BASE, SHARPENED) for e in ENDS)}
    return [*(text for name, text in line.cells.items() if name not in changing), str(LESS in line.cells["quantity"])]


def _ks(block: Sequence[_Line]) -> tuple[int, ...]:
    ks = tuple(line.whole("k") for line in block[:-1])
    if not ks or list(ks) != k_sweep(ks[-1]):
        raise block[-1].fault(f"the k before its area are {list(ks)}, and not the powers of two from 1")
    return ks


def _refuse_twice(first: _Line, axes: Sequence[str], runs: dict[tuple[str, ...], int]) -> None:
    """Bases may stand twice, for a place may have several; a run after a step has one line of each quantity, or none is known to be its."""
    if not first.cells["seed"]:
        return
    before = runs.setdefault(tuple(first.text(name) for name in ("bed", *axes, "arm", "seed", "step")), first.number)
    if before != first.number:
        named = f"{first.text('arm')}, seed {first.text('seed')}, step {first.text('step')}"
        raise first.fault(f"{named} stands in line {before} already")


def _place(line: _Line, axes: Sequence[str]) -> dict[str, Any]:
    return {axis: text for axis in axes if (text := line.text(axis))}


def _cell(block: Sequence[_Line], axes: Sequence[str]) -> CellPoint:
    first = block[0]
    most = {"success": 1.0}
    trained = {
        name: value for name in TRAINED if not math.isnan(value := first.number_from(name, 0.0, most.get(name, _HUGE)))
    }
    less = {}
    for name in (BASE, SHARPENED):
        intervals = tuple(line.interval([f"less_{name}{end}" for end in ENDS]) for line in block)
        # An undefined difference has empty cells, as one that was not measured has: where k=1 is given, all are meant.
        if not all(math.isnan(interval.estimate) for interval in intervals):
            less[name] = intervals
    seed = first.whole("seed") if first.cells["seed"] else None
    if seed is None and not stands_for_base(first.text("arm")):
        raise first.fault(f"the arm {first.text('arm')!r} has no seed")
    if seed is not None and stands_for_base(first.text("arm")):
        raise first.fault(f"{first.text('arm')!r} with a seed: what arms are compared with is no run")
    return CellPoint(
        bed=first.text("bed"),
        axes=_place(first, axes),
        arm=first.text("arm"),
        seed=seed,
        step=first.whole("step"),
        trained=trained,
        ks=_ks(block),
        points=tuple(line.interval(("value", "low", "high"), least=0.0) for line in block),
        less=less,
    )


def _difference(block: Sequence[_Line], axes: Sequence[str]) -> ArmDifference:
    first = block[0]
    seeds = tuple(first.whole("seeds", word) for word in first.cells["seeds"].split())
    if not seeds or not first.text("against"):
        raise first.fault("a difference without seeds, or without what it is from")
    return ArmDifference(
        bed=first.text("bed"),
        axes=_place(first, axes),
        arm=first.text("arm"),
        against=first.text("against"),
        step=first.whole("step"),
        seeds=seeds,
        ks=_ks(block),
        points=tuple(line.interval(("value", "low", "high"), len(seeds)) for line in block),
    )

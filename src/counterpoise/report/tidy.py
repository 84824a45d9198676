"""A `Report` as tidy CSV files: one observation a line, shares in [0, 1], an empty cell for what is undefined.

A text that a spreadsheet would take for a formula has an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from counterpoise.files import atomic_write
from counterpoise.report.records import Report

__all__ = ["Row", "without_apostrophe", "write_csv", "write_rows"]

Row = Sequence[object]
"""One line: a cell for each column."""


def write_csv(report: Report, directory: Path) -> list[Path]:
    """Write passk, differences, crossings, problems, metrics and events; those without a line are left out. The files written.

    Raises:
        StoreError: a file cannot be written.
    """
    written = []
    for name, (header, rows) in _tables(report).items():
        waiting = iter(rows)
        first = next(waiting, None)
        if first is not None:
            path = directory / f"{name}.csv"
            atomic_write(path, partial(write_rows, rows=chain((header, first), waiting)))
            written.append(path)
    return written


def _tables(report: Report) -> Mapping[str, tuple[Row, Iterable[Row]]]:
    ends = ("low", "high", "band_low", "band_high", "problems")
    return {
        "passk": (("task_type", "curve", "k", "pass_at_k", *ends), _passk(report)),
        "differences": (
            ("task_type", "curve", "against", "paired", "k", "difference", *ends, "detectable", "needed"),
            _differences(report),
        ),
        "crossings": (
            ("task_type", "lower", "upper", "state", "k", "low", "high", "crossing_share", "under_share"),
            _crossings(report),
        ),
        "problems": (("curve", "problem_id", "task_type", "n", "c", "unscored"), _problems(report)),
        "metrics": (("run", "step", "metric", "value"), _metrics(report)),
        "events": (
            ("run", "step", "kind", "message"),
            ((run.name, event.step, event.kind, event.message) for run in report.runs for event in run.events),
        ),
    }


def _passk(report: Report) -> Iterator[Row]:
    for section in report.sections:
        for entry, curve in zip(section.entries, section.curves, strict=True):
            for k, p in zip(section.ks, curve, strict=True):
                yield section.title, entry.name, k, p.estimate, p.low, p.high, p.band_low, p.band_high, p.problems


def _differences(report: Report) -> Iterator[Row]:
    for section in report.sections:
        told = set()
        for against in section.against:
            for difference in against.differences:
                comparison = difference.comparison
                if (comparison.after, comparison.base) in told:
                    continue  # a run's own base may be one of the references
                told.add((comparison.after, comparison.base))
                named = (section.title, comparison.after, comparison.base, difference.refused is None)
                for i, (k, p) in enumerate(zip(comparison.ks, comparison.points, strict=True)):
                    found = comparison.detectable[i] if comparison.detectable else None
                    more = (found.minimum, found.needed) if found else (None, None)
                    yield *named, k, p.estimate, p.low, p.high, p.band_low, p.band_high, p.problems, *more


def _crossings(report: Report) -> Iterator[Row]:
    for section in report.sections:
        for against in section.against[:1]:
            for difference in against.differences:
                comparison, found = difference.comparison, difference.comparison.crossing
                if found is not None:
                    upper = comparison.base if comparison.lower == comparison.after else comparison.after
                    shares = (found.crossing_share, found.under_share)
                    yield section.title, comparison.lower, upper, found.state, found.k, found.low, found.high, *shares


def _problems(report: Report) -> Iterator[Row]:
    for entry in report.entries:
        for problem in entry.contender.counts:
            yield entry.name, problem.problem_id, problem.task_type, problem.n, problem.c, problem.unscored


def _metrics(report: Report) -> Iterator[Row]:
    for run in report.runs:
        for name, values in run.columns.items():
            for step, value in zip(run.steps, values, strict=True):
                if value is not None:
                    yield run.name, step, name, value


def write_rows(handle: BinaryIO, *, rows: Iterable[Row]) -> None:
    """Write rows as CSV in UTF-8, undefined numbers as empty cells; `files.atomic_write` calls it."""
    text = io.TextIOWrapper(handle, encoding="utf-8", errors="replace", newline="")
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    text.flush()
    text.detach()  # the file is the caller's


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Infinity is the upper end of a crossing that lies beyond the last k.
        return "" if math.isnan(value) else "inf" if math.isinf(value) else format(value, ".10g")
    if isinstance(value, bool):
        return str(value).lower()
    # A spreadsheet takes a text that begins like this for a formula, and runs it; an apostrophe makes it text. Numbers keep their sign.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without_apostrophe(text: str) -> str:
    """A text of such a file as it was before it was written."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text

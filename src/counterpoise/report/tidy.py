"""A `Report` as tidy CSV files: one observation a line, shares in [0, 1], an empty cell for what is undefined."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from counterpoise.files import atomic_write_text
from counterpoise.report.records import Report

__all__ = ["write_csv"]

Row = Sequence[object]


def write_csv(report: Report, directory: Path) -> list[Path]:
    """Write passk, differences, crossings, problems, metrics and events; those without a line are left out. The files written.

    Raises:
        StoreError: a file cannot be written.
    """
    written = []
    for name, (header, rows) in _tables(report).items():
        lines = list(rows)
        if lines:
            path = directory / f"{name}.csv"
            atomic_write_text(path, _text(header, lines))
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
        for against in section.against:
            for difference in against.differences:
                comparison = difference.comparison
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


def _text(header: Row, rows: Sequence[Row]) -> str:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return made.getvalue().encode("utf-8", "replace").decode("utf-8")


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Infinity is the upper end of a crossing that lies beyond the last k.
        return "" if math.isnan(value) else "inf" if math.isinf(value) else format(value, ".10g")
    return str(value).lower() if isinstance(value, bool) else value

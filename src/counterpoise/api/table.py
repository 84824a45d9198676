"""A table of results that shows itself: as text where it is printed, as HTML in a notebook, as a pandas frame where pandas is installed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from counterpoise.errors import MissingExtraError

__all__ = ["Table", "Tabular", "span"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for a reader and rows for a program."""

    title: str
    """What it shows."""
    columns: tuple[str, ...]
    """Headings."""
    cells: tuple[tuple[str, ...], ...]
    """What is shown, row by row."""
    rows: tuple[Mapping[str, Any], ...]
    """The numbers behind it, shares in [0, 1]; NaN is undefined."""
    notes: tuple[str, ...] = ()
    """Lines that stand under it."""

    def text(self) -> str:
        """The table in plain characters."""
        lines = [self.columns, *self.cells]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.title, shown[0], "-" * len(shown[0]), *shown[1:], *self.notes])

    def html(self) -> str:
        """The table in HTML; every text is escaped."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:right">{escape(cell)}</td>' for cell in line) + "</tr>"
            for line in self.cells
        )
        notes = "".join(f"<div><small>{escape(note)}</small></div>" for note in self.notes)
        return (
            f"<div><b>{escape(self.title)}</b></div><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{notes}"
        )


class Tabular:
    """A result whose `table` is how it is shown."""

    @property
    def table(self) -> Table:
        """The numbers worth looking at."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.table.text()

    def _repr_html_(self) -> str:
        return self.table.html()

    def to_pandas(self) -> Any:
        """The rows as a `pandas.DataFrame`, shares in [0, 1].

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError(
                "pandas", extra="pandas", purpose="to_pandas()", command="pip install pandas"
            ) from error
        return pandas.DataFrame([dict(row) for row in self.table.rows])


def span(estimate: float, low: float, high: float, *, signed: bool = False) -> str:
    """E.g. `41.2 [38.0, 44.5]`, in per cent; an en dash where it is undefined."""
    if math.isnan(estimate):
        return "–"
    sign = "+" if signed else ""
    # Rounded to it, nothing has a sign of its own.
    shown, *ends = (format(round(100 * value, 1) + 0.0, f"{sign}.1f") for value in (estimate, low, high))
    return shown if math.isnan(low) else f"{shown} [{', '.join(ends)}]"

"""What the benchmarks write beside what they print."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_csv(path: Path | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table as CSV, where a file was asked for (`--csv FILE`)."""
    if path is None:
        return
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)

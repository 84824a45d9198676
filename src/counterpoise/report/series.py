"""The metrics of a long run: read in little memory, and thinned to what a chart can show."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from counterpoise.columns import STAND_INS
from counterpoise.files import Damage
from counterpoise.report.records import Run
from counterpoise.runs.records import metrics_lines

__all__ = ["DRAWN", "MetricValues", "Series", "read_series", "series_of", "thinned", "width_drawn"]

DRAWN = 2000
"""Points of one line that are drawn at most; a longer run is drawn as means."""
_ENDS = 10
"""First and last steps that are drawn as they are."""


class MetricValues(Sequence[float | None]):
    """Values of one metric, eight bytes each; None where undefined."""

    def __init__(self, values: Iterable[float]) -> None:
        """Hold `values`, in which NaN stands for what is undefined."""
        self._values = array("d", values)

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, place: int) -> float | None: ...
    @overload
    def __getitem__(self, place: slice) -> MetricValues: ...
    def __getitem__(self, place: int | slice) -> float | MetricValues | None:
        found = self._values[place]
        return MetricValues(found) if isinstance(found, array) else _defined(found)

    def __iter__(self) -> Iterator[float | None]:
        return map(_defined, self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Column({list(self)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What metrics.jsonl holds, by column."""

    steps: tuple[int, ...]
    """Steps, ascending."""
    columns: Mapping[str, MetricValues]
    """Metrics that are defined somewhere, by name, one value a step."""
    started: float | None
    """Time of the first line, in seconds since 1970."""
    ended: float | None
    """Time of the last one."""


def read_series(path: Path, *, on_damage: Callable[[Damage], None]) -> Series:
    """The columns of a run, as `runs.records.read_metrics` orders its records.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    return series_of(metrics_lines(path, on_damage=on_damage))


def series_of(lines: Iterable[tuple[int, Mapping[str, Any]]]) -> Series:
    """The columns of (step, record); a step that comes again takes back what was read from it on."""
    steps: list[int] = []
    columns: dict[str, array[float]] = {"time": array("d")}
    for step, record in lines:
        kept = bisect_left(steps, step)
        if kept < len(steps):
            del steps[kept:]
            for values in columns.values():
                del values[kept:]
        # In the order of the file, not of a set: the tables of one run are the same whoever writes them.
        for name in [name for name in record if name not in columns]:
            columns[name] = array("d", [math.nan]) * kept
        for name, values in columns.items():
            values.append(_number(record.get(name)))
        steps.append(step)
    times = [time for time in columns.pop("time") if not math.isnan(time)]
    columns.pop("step", None)
    return Series(
        steps=tuple(steps),
        columns={name: MetricValues(values) for name, values in columns.items() if not all(map(math.isnan, values))},
        started=times[0] if times else None,
        ended=times[-1] if times else None,
    )


def with_stand_ins(run: Run) -> Run:
    """The run with what is shown for columns that its steps, or some of them, were made too early to have (`columns.STAND_INS`)."""
    columns = dict(run.columns)
    for name, earlier in STAND_INS.items():
        if earlier in columns:
            own = columns.get(name)
            columns[name] = (
                columns[earlier]
                if own is None
                else [b if a is None else a for a, b in zip(own, columns[earlier], strict=True)]
            )
    return replace(run, columns=columns)


def width_drawn(run: Run) -> int:
    """Steps behind one point of the run's lines: 1 up to `DRAWN` steps."""
    return max(1, math.ceil((len(run.steps) - 2 * _ENDS) / (DRAWN - 2 * _ENDS)))


def thinned(run: Run, names: Iterable[str]) -> tuple[Sequence[int], dict[str, Sequence[float | None]]]:
    """Steps and columns to draw: all of them, or for a long run its first and last steps and means of equally many steps between.

    A mean is over the defined values of its steps and stands at the middle one.
    """
    columns = {name: run.columns[name] for name in names if name in run.columns}
    width, last = width_drawn(run), len(run.steps) - _ENDS
    if width == 1:
        return run.steps, dict(columns)
    parts = [slice(i, i + 1) for i in range(_ENDS)]
    parts += [slice(i, min(i + width, last)) for i in range(_ENDS, last, width)]
    parts += [slice(i, i + 1) for i in range(last, len(run.steps))]
    steps = [run.steps[(part.start + part.stop - 1) // 2] for part in parts]
    return steps, {name: [_mean(values[part]) for part in parts] for name, values in columns.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    # Divided first: a sum of numbers near the largest one would be infinite.
    return math.fsum(value / len(known) for value in known) if known else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else math.nan

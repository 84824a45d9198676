"""A run that another process writes, followed from its files alone: what is read once is not read again, and memory does not grow.

Nothing here needs torch, and nothing is written into the run.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.columns import STAND_INS
from counterpoise.errors import StoreError
from counterpoise.files import Damage, JsonFault, open_regular, parse_line, read_json, why
from counterpoise.runs.engine_logs import EngineLog, engine_lines, find_engine_log

__all__ = ["WINDOW", "Evaluation", "FollowedRun", "History", "Tail", "mean"]

WINDOW = 10
"""Steps in a mean: the latest ones, and the first ones they are compared with."""

_KEPT = 256
_EVENTS = 8


class Tail:
    """The lines that were appended to a JSON-lines file since the last look; an unfinished last line waits for its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._line = 0

    def shrunk(self) -> bool:
        """Whether the file is shorter than what was read of it: it was written anew, and so must be read anew."""
        try:
            return self.path.stat().st_size < self._offset
        except OSError:
            return self._offset > 0

    def read(self, *, on_damage: Callable[[Damage], None]) -> Iterator[dict[str, Any]]:
        """Yield the new objects in order; a whole line that is not a JSON object goes to `on_damage`, once.

        Raises:
            StoreError: the file is there and cannot be read.
        """
        try:
            with open_regular(self.path) as handle:
                handle.seek(self._offset)
                for raw in handle:
                    if not raw.endswith(b"\n"):
                        return
                    self._offset += len(raw)
                    self._line += 1
                    if not raw.strip():
                        continue
                    record = parse_line(raw)
                    if isinstance(record, JsonFault):
                        on_damage(self.damage(str(record)))
                    else:
                        yield record
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror or error}") from error

    def damage(self, reason: str) -> Damage:
        """What is wrong with the line read last."""
        return Damage(path=self.path, line=self._line, reason=reason)


class History:
    """Columns of a run's steps: the first `WINDOW` and the newest 256 as they are, those between as means over ever more steps.

    A step that comes again (the run was resumed before it) takes back that step and all after it. Only where a run goes back by more than
    256 steps does one mean keep some of what was undone.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._first: dict[int, tuple[float, ...]] = {}
        self._recent: dict[int, tuple[float, ...]] = {}
        self._older: dict[
            int, list[tuple[float, int]]
        ] = {}  # by (step - 1) // width: a sum and a count for each column
        self._width = 1

    @property
    def step(self) -> int | None:
        """The step done last."""
        return next(reversed(self._recent), None)

    def add(self, step: int, record: Mapping[str, Any]) -> None:
        """Take in one line of metrics."""
        if self.step is not None and step <= self.step:
            self._first = {s: row for s, row in self._first.items() if s < step}
            self._recent = {s: row for s, row in self._recent.items() if s < step}
            self._older = {b: row for b, row in self._older.items() if b * self._width + 1 < step}
        row = tuple(_number(record.get(name, record.get(STAND_INS.get(name, "")))) for name in self._columns)
        if len(self._first) < WINDOW and not self._older:
            self._first[step] = row
        self._recent[step] = row
        if len(self._recent) > _KEPT:
            oldest = next(iter(self._recent))
            self._put_away((oldest - 1) // self._width, [_counted(value) for value in self._recent.pop(oldest)])
        while len(self._older) > _KEPT:
            self._width *= 2
            halved, self._older = self._older, {}
            for bucket, sums in halved.items():
                self._put_away(bucket // 2, sums)

    def latest(self, name: str) -> float:
        """Value of the last step; NaN where it has none."""
        return next(iter(self.last(name, 1)), math.nan)

    def last(self, name: str, steps: int = WINDOW) -> list[float]:
        """Defined values of the last steps."""
        return self._defined(name, list(self._recent.values())[-steps:])

    def change(self, name: str) -> float:
        """Mean of the last ten steps less that of the first ten; NaN before there are steps after the first ten."""
        if len(self._recent) <= WINDOW and not self._older:
            return math.nan
        return mean(self.last(name)) - mean(self._defined(name, list(self._first.values())))

    def curve(self, name: str, width: int) -> list[float]:
        """Means over `width` equal stretches of the steps so far (over single steps while there are fewer); NaN for one without a value."""
        if self.step is None:
            return []
        i = self._columns.index(name)
        points = [
            *((b * self._width + (self._width + 1) / 2, row[i]) for b, row in self._older.items()),
            *((float(s), _counted(row[i])) for s, row in self._recent.items()),
        ]
        start = points[0][0]
        span = points[-1][0] - start + 1
        width = min(width, math.ceil(span))
        totals = [(0.0, 0)] * width
        for step, (total, count) in points:
            column = int((step - start) * width / span)
            totals[column] = (totals[column][0] + total, totals[column][1] + count)
        return [total / count if count else math.nan for total, count in totals]

    def _defined(self, name: str, rows: Sequence[tuple[float, ...]]) -> list[float]:
        i = self._columns.index(name)
        return [row[i] for row in rows if not math.isnan(row[i])]

    def _put_away(self, bucket: int, sums: Sequence[tuple[float, int]]) -> None:
        there = self._older.get(bucket, [(0.0, 0)] * len(sums))
        self._older[bucket] = [(a + c, b + d) for (a, b), (c, d) in zip(there, sums, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The ends of one pass@k curve."""

    step: int
    """Training steps before it."""
    points: tuple[tuple[int, float], ...]
    """(k, pass@k) for the smallest and the largest k."""
    problems: int
    """Problems it was measured on."""
    n: int
    """Rollouts for each of them."""


class FollowedRun:
    """What is known of a run so far; `refresh` brings in what was written since.

    Args:
        path: the run's directory.
        columns: columns of metrics that are followed.
        log: where another trainer writes them, read anew when the file has changed; such a run has no events and no evaluations.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, log: EngineLog | None = None) -> None:
        self.path = path
        self._outside = log
        self._outside_seen: list[tuple[Path, int, int]] | None = None
        self.damages: list[Damage] = []
        """The first lines and files that could not be read; `damaged` counts all."""
        self.damaged = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self.evaluations: dict[int, Evaluation] = {}
        self.evaluating: int | None = None
        """Step whose evaluation was begun and is not done."""
        self._columns = ("seconds", *columns)
        self._evaluated_at: dict[int, int] = {}
        self._begin()

    def _begin(self) -> None:
        self.history = History(self._columns)
        self.stepped_at = self._drawn_at = math.nan
        self.events.clear()
        self._metrics = Tail(self.path / "metrics.jsonl")
        self._log = Tail(self.path / "events.jsonl")

    def refresh(self) -> None:
        """Read what is new.

        Raises:
            StoreError: a file is there and cannot be read.
        """
        if self._outside is not None:
            # TRL writes the history of its steps into each new checkpoint.
            self._outside = find_engine_log(self.path) or self._outside
            self._refresh_outside(self._outside)
            return
        if self._metrics.shrunk() or self._log.shrunk():
            self._begin()
        for record in self._metrics.read(on_damage=self._damage):
            step = record.get("step")
            if type(step) is int and 0 < step < 2**53:
                self.history.add(step, record)
                self.stepped_at = _number(record.get("time"))
            else:
                self._damage(self._metrics.damage("a line of metrics without a step"))
        self.events.extend(self._log.read(on_damage=self._damage))
        self._look_at_evaluations()

    def _refresh_outside(self, log: EngineLog) -> None:
        try:
            found = [path.stat() for path in log.files]
        except OSError as error:  # a checkpoint that was removed: what was read of it is kept
            if self._outside_seen is None:
                raise StoreError(f"cannot read {error.filename}: {error.strerror or error}") from error
            return
        seen = [(path, one.st_mtime_ns, one.st_size) for path, one in zip(log.files, found, strict=True)]
        if seen == self._outside_seen:
            return
        self._outside_seen = seen
        self._begin()
        self.damages.clear()
        self.damaged = 0
        for step, record in engine_lines(log, on_damage=self._damage):
            self.history.add(step, record)
        self.stepped_at = found[-1].st_mtime

    @property
    def step(self) -> int:
        """The step done last, 0 before the first."""
        return self.history.step or 0

    @property
    def step_seconds(self) -> float:
        """Median wall time of the last ten steps; NaN before the first."""
        seconds = self.history.last("seconds")
        return statistics.median(seconds) if seconds else math.nan

    @property
    def alive_at(self) -> float:
        """When the run last wrote a step or rollouts of an evaluation, in seconds since 1970; NaN when it never did."""
        return _latest(self.stepped_at, self._drawn_at)

    @property
    def stop(self) -> dict[str, Any] | None:
        """The event that ended the run, unless something was written since."""
        last = self.events[-1] if self.events else {}
        if last.get("kind") not in ("interrupted", "refused", "guard_stopped") or self.alive_at > _number(
            last.get("time")
        ):
            return None
        return last

    def _damage(self, damage: Damage) -> None:
        self.damaged += 1
        if len(self.damages) < 3:
            self.damages.append(damage)

    def _look_at_evaluations(self) -> None:
        self.evaluating = None
        for directory in sorted((self.path / "evaluation").glob("step-*")):
            number = directory.name.removeprefix("step-")
            if not number.isdecimal():
                continue
            step = int(number)
            try:
                changed = (directory / "passk.json").stat().st_mtime_ns
            except OSError:
                if step == self.step:
                    self.evaluating = step
                    self._drawn_at = _latest(self._drawn_at, *_changes(directory))
                continue
            if self._evaluated_at.get(step) != changed:
                self._evaluated_at[step] = changed
                self._read_evaluation(step, directory / "passk.json")

    def _read_evaluation(self, step: int, path: Path) -> None:
        try:
            fields = read_json(path)
            curve = sorted((int(point["k"]), _number(point["estimate"])) for point in fields["curve"])
            found = Evaluation(
                step=step,
                points=(curve[0], curve[-1]) if len(curve) > 1 else (curve[0],),
                problems=int(fields["problems"]),
                n=int(fields["n"]),
            )
        except (OSError, JsonFault) as error:
            self._damage(Damage(path=path, line=1, reason=f"no result of an evaluation: {why(error)}"))
            return
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            self._damage(Damage(path=path, line=1, reason=f"no result of an evaluation: {error!r}"))
            return
        self.evaluations[step] = found


def mean(values: Sequence[float]) -> float:
    """Mean, NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def _number(value: object) -> float:
    """A finite number as it is, anything else as NaN: a metrics file has null where a number is undefined."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300:
        return float(value)
    return math.nan


def _counted(value: float) -> tuple[float, int]:
    return (0.0, 0) if math.isnan(value) else (value, 1)


def _latest(*times: float) -> float:
    return max((time for time in times if not math.isnan(time)), default=math.nan)


def _changes(directory: Path) -> list[float]:
    """When the files of a directory were last written."""
    try:
        with os.scandir(directory) as entries:
            return [entry.stat().st_mtime for entry in entries]
    except OSError:  # renamed or removed while it was looked at
        return []

"""Cells of a grid that are trained side by side: a moving line each on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from counterpoise.cli import console
from counterpoise.text import counted, lasting

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from counterpoise.jobs.study import StudyRun

__all__ = ["CellLines"]

_EVERY_SECONDS = 30.0


class CellLines:
    """A `jobs.study.cells.CellObserver` on standard error; a context manager, so that the lines are closed.

    Args:
        cells: of the whole grid.
    """

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._bars: Progress | None = None
        self._tasks: dict[int, TaskID] = {}
        self._last: dict[int, float] = {}

    def __enter__(self) -> CellLines:
        if console.stderr.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            texts = [TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[text]")]
            self._bars = Progress(
                texts[0],
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                texts[1],
                console=console.stderr,
            )
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def began(self, number: int, run: StudyRun) -> None:
        """A line of its own."""
        if self._bars is not None:
            self._tasks[number] = self._bars.add_task(self._named(number, run), total=run.config.learner.steps, text="")
        else:
            self._last[number] = time.monotonic()
            console.note(f"{self._named(number, run)}: begun")

    def moved(self, number: int, run: StudyRun, doing: str, done: int, total: int, right: float | None) -> None:
        """Move its line."""
        known = right is not None and math.isfinite(right)
        text = f"{doing}, right {right:.3f}" if known else doing
        if self._bars is not None:
            self._bars.update(self._tasks[number], completed=done, total=total, text=text)
        elif time.monotonic() - self._last[number] >= _EVERY_SECONDS:
            self._last[number] = time.monotonic()
            console.note(f"{self._named(number, run)}: {text} {done}/{total}")

    def said(self, run: StudyRun, line: str) -> None:
        """Print nothing: a hundred cells would repeat it, and warnings are in each run's events."""

    def ended(self, number: int, run: StudyRun, how: str, seconds: float) -> None:
        """Replace its line by one that stays."""
        if self._bars is not None:
            self._bars.remove_task(self._tasks.pop(number))
        console.note(f"{self._named(number, run)}: {how} after {lasting(seconds)}")

    def left(self, seconds: float, cells: int) -> None:
        """A line that stays."""
        console.note(f"about {lasting(seconds)} for the {counted(cells, 'cell')} to come")

    def _named(self, number: int, run: StudyRun) -> str:
        return f"cell {number + 1} of {self._cells}: {run.label}"

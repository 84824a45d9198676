"""Print for the command line: results go to standard output, everything about the work to standard error.

Colour and moving bars appear on a terminal only, and never with `NO_COLOR`; in a log the same progress is a line now and then. Text is
printed as text (`cli.output`): nothing in it is markup, and what a terminal would obey is shown.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from counterpoise.cli.output import Screen
from counterpoise.text import lasting, visible

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["error", "finite", "note", "print_json", "progress", "stderr", "stdout", "table"]

_PIPE_WIDTH = 160


def _console(*, to_stderr: bool) -> Screen:
    """A console that does not fold tables at 80 columns when its output is a file or a pipe."""
    console = Screen(stderr=to_stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


stdout = _console(to_stderr=False)
"""Results: tables, JSON."""
stderr = _console(to_stderr=True)
"""Progress, notes and errors."""


def finite(number: float) -> float:
    """The value of an option, where it is a finite number; a callback of typer.

    Raises:
        BadParameter: it is infinite or `nan`.
    """
    if not math.isfinite(number):
        raise typer.BadParameter(f"{number} is not a finite number")
    return number


def error(message: str) -> None:
    """One `error: …` line on standard error, unfolded, so that it can be searched for."""
    stderr.print(Text.assemble(("error: ", "bold red"), (message, "red")), soft_wrap=True)


def note(message: str) -> None:
    """One quiet line on standard error."""
    stderr.print(Text(message, style="dim"), soft_wrap=True)


def print_json(value: object) -> None:
    """The value as JSON on standard output, unfolded; NaN (undefined) and infinity become null, because JSON has no other word for them."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=2)
    # What the console would show in another way is escaped as JSON has it, so that the text is read back as it was.
    lines = (line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n"))
    stdout.print(Text("\n".join(lines)), soft_wrap=True)


def _escaped(character: str) -> str:
    return character if visible(character) == character else json.dumps(character)[1:-1]


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(*columns: str, title: str | None = None, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table with these headings in the house look; the columns named in `numbers` are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


@contextmanager
def progress(label: str, *, total: int, initial: int = 0, every: float = 10.0) -> Iterator[Callable[[int, str], None]]:
    """Yield `update(completed, text)`; `completed` counts up to `total`, from `initial` where earlier work is resumed.

    On a terminal it moves a bar with the time left; elsewhere it prints a line when `every` seconds have passed and at the end.
    """
    if stderr.is_terminal:
        with _bar(label, total, initial) as update:
            yield update
    else:
        yield _lines(label, total, initial, every)


@contextmanager
def _bar(label: str, total: int, initial: int) -> Iterator[Callable[[int, str], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task(label, total=total, completed=initial, text="")
        yield lambda completed, text: bar.update(task, completed=completed, text=text)


def _lines(label: str, total: int, initial: int, every: float) -> Callable[[int, str], None]:
    start = last = time.monotonic()

    def update(completed: int, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every and completed < total:
            return
        last = now
        done = completed - initial
        left = f", {lasting((now - start) / done * (total - completed))} left" if done and completed < total else ""
        suffix = f": {text}" if text else ""
        stderr.print(Text(f"{label} {completed}/{total}, {lasting(now - start)} elapsed{left}{suffix}"), soft_wrap=True)

    return update

"""How far a call is: the command line's own lines and bar in a terminal, one line that is written anew in a notebook."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Counting", "counting", "in_notebook", "tell", "watching"]


class Counting(Protocol):
    """Told how many are done, and of how many."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        ...


def in_notebook() -> bool:
    """Whether the program is a notebook's, whose output is HTML."""
    loaded = sys.modules.get("IPython")
    shell = None if loaded is None else loaded.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def tell(line: str, *, progress: bool) -> None:
    """One line beside the work, where progress is shown."""
    if not progress:
        return
    if in_notebook():
        print(line)
        return
    from counterpoise.cli import console

    console.note(line)


@contextmanager
def watching() -> Iterator[Any]:
    """An observer of a run that shows it where the program is."""
    from counterpoise.cli.live import LiveObserver

    if not in_notebook():
        with LiveObserver() as observer:
            yield observer
        return
    yield _NotebookObserver()


@contextmanager
def counting(label: str) -> Iterator[Counting]:
    """A count that shows itself where the program is."""
    if in_notebook():
        line = _Line()
        yield lambda done, total: line.show(f"{label}: {done} of {total}", done, total)
        return
    from counterpoise.cli.live import LazyProgress

    with LazyProgress(label) as show:
        yield show


class _Line:
    """One line of a cell's output, with a bar."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, done: int, total: int) -> None:
        """Write it, in the place of what it was."""
        from IPython.display import HTML, display

        shown = HTML(f'<progress value="{done}" max="{max(total, 1)}"></progress> {html.escape(text)}')
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


class _NotebookObserver:
    """A run in a cell: a line for what is in progress, printed lines for what is done."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._steps = 0

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """The bar of the steps."""
        self._steps = steps
        self._show("training", f"training in {path}", first_step, steps)

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """Move it."""
        from counterpoise.cli.live import described

        self._show("training", f"step {step} of {self._steps}: {described(record)}", step, self._steps)

    def evaluating(self, label: str, done: int, total: int) -> None:
        """Move the bar of an evaluation."""
        self._show(label, f"evaluating {label}: {done} of {total}", done, total)

    def evaluated(self, label: str, result: Any) -> None:
        """One line with the curve's ends."""
        from counterpoise.cli.live import ends_of_curve

        print(ends_of_curve(label, result))

    def said(self, line: str) -> None:
        """Print it."""
        print(line)

    def _show(self, label: str, text: str, done: int, total: int) -> None:
        self._lines.setdefault(label, _Line()).show(text, done, total)

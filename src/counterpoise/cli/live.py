"""A run on the terminal: one moving line for what is in progress, one fixed line for what is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from counterpoise.cli import console
from counterpoise.cli.output import lost
from counterpoise.columns import column
from counterpoise.text import counted

__all__ = ["LazyProgress", "LiveObserver", "described", "ends_of_curve"]

_SHOWN = (
    (column("success_rate"), "right"),
    (column("no_answer_share"), ""),
    (column("reward"), ""),
    (column("entropy_sampled"), ""),
    (column("polarity_share_tokens"), "rho"),
    (column("tokens_per_second"), ""),
)
"""What the line shows, and what it is called there where the column's own label is too long."""


def described(record: Mapping[str, float]) -> str:
    """What the line of a step says of it."""
    return ", ".join(
        f"{short or shown.label} {shown.of(record):{shown.form}}"
        for shown, short in _SHOWN
        if not math.isnan(shown.of(record))
    )


def ends_of_curve(label: str, result: Any) -> str:
    """An evaluation in one line."""
    first, last = result.curve[0], result.curve[-1]
    return (
        f"{label}: pass@{first.k} {100 * first.estimate:.1f}%, pass@{last.k} {100 * last.estimate:.1f}% "
        f"({counted(len(result.counts), 'problem')} x {result.n})"
    )


_SAMPLE = 400
"""Characters of a question and of a response that are printed while training."""


class LazyProgress:
    """A bar that appears with its first news, when its total is known; called with (done, total)."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._stack = ExitStack()
        self._update: Callable[[int, str], None] | None = None

    def __enter__(self) -> LazyProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Show that `done` of `total` are done."""
        if self._update is None:
            # `done` may count work of an earlier run, which must not make the time left look short.
            self._update = self._stack.enter_context(console.progress(self._label, total=total, initial=done))
        self._update(done, text)


class LiveObserver:
    """Shows step, success, missing answers, reward, entropy, polarity share, tokens/s and the time left.

    A context manager, so that the line is closed.

    Args:
        samples: rollouts to print of every step that keeps some, a right one and a wrong one first; 0 prints none.

    Raises:
        OSError: standard error takes nothing any more.
    """

    def __init__(self, *, samples: int = 0) -> None:
        self._samples = samples
        self._bar: tuple[str, LazyProgress] | None = None
        self._steps = 0

    def __enter__(self) -> LiveObserver:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """Open the training bar."""
        _note(f"training in {path}")
        self._steps = steps
        self._show("training", first_step, steps)

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """Move the training bar."""
        self._show("training", step, self._steps, described(record))

    def sampled(self, step: int, samples: Sequence[Mapping[str, Any]]) -> None:
        """Print some of them above the bar, shortened."""
        if not self._samples:
            return
        from counterpoise.cli.views.samples import sample_lines, some_of

        for line in sample_lines(some_of(samples, self._samples), longest=_SAMPLE):
            console.stderr.print(line, soft_wrap=True)
        _refuse_lost()

    def evaluating(self, label: str, done: int, total: int) -> None:
        """Move the evaluation bar."""
        self._show(f"evaluating {label}", done, total)

    def evaluated(self, label: str, result: Any) -> None:
        """One line with the curve's ends."""
        self._close()
        _note(ends_of_curve(label, result))

    def said(self, line: str) -> None:
        """Print a line above the bar."""
        _note(line)

    def _show(self, label: str, done: int, total: int, text: str = "") -> None:
        if self._bar is None or self._bar[0] != label:
            self._close()
            self._bar = (label, LazyProgress(label))
        self._bar[1](done, total, text)
        _refuse_lost()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar[1].__exit__()
        self._bar = None


def _note(line: str) -> None:
    console.note(line)
    _refuse_lost()


def _refuse_lost() -> None:
    error = lost("stderr")
    if error is not None:
        raise error

"""A run on the terminal: one moving line for what is in progress, one fixed line for what is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from counterpoise.cli import console

__all__ = ["LiveObserver"]

_SHOWN = (
    ("reward", "reward", "{:+.3f}"),
    ("entropy", "entropy", "{:.3f}"),
    ("polarity_share_tokens", "rho", "{:.3f}"),
    ("tokens_per_second", "tokens/s", "{:,.0f}"),
)


class LiveObserver:
    """Shows step, reward, entropy, polarity share, tokens/s and the time left; a context manager, so that the line is closed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._update: Callable[[int, str], None] | None = None
        self._label = ""

    def __enter__(self) -> LiveObserver:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        """Open the training bar."""
        console.note(f"training in {path}")
        self._steps, self._done = steps, first_step

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        """Move the training bar."""
        shown = [
            f"{label} {template.format(record[name])}"
            for name, label, template in _SHOWN
            if not math.isnan(record.get(name, math.nan))
        ]
        self._show("training", step, self._steps, self._done, ", ".join(shown))
        self._done = step

    def evaluating(self, label: str, done: int, total: int) -> None:
        """Move the evaluation bar."""
        self._show(f"evaluating {label}", done, total, done, "")

    def evaluated(self, label: str, result: Any) -> None:
        """One line with the curve's ends."""
        self._close()
        first, last = result.curve[0], result.curve[-1]
        console.note(
            f"{label}: pass@{first.k} {100 * first.estimate:.1f}%, pass@{last.k} {100 * last.estimate:.1f}% "
            f"({len(result.counts)} problems x {result.n})"
        )

    def said(self, line: str) -> None:
        """Print a line above the bar."""
        console.note(line)

    def _show(self, label: str, done: int, total: int, initial: int, text: str) -> None:
        if self._update is None or self._label != label:
            self._close()
            self._update = self._stack.enter_context(console.progress(label, total=total, initial=initial))
            self._label = label
        self._update(done, text)

    def _close(self) -> None:
        self._stack.close()
        self._update = None

"""One run of a study in a process of its own: `python -m counterpoise.jobs.study.cell RUN`, started by `cells.train_cells`.

It tells what happens as JSON lines on standard output. Standard input is the other process: when that ends, by whatever signal, the run is
interrupted and saves itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from counterpoise.errors import CounterpoiseError, TrainingError
from counterpoise.garbage import importing_the_engine

__all__ = ["train_cell"]


class _Teller:
    """An observer (`engines.local.observer.Observer`) that passes on what a line of progress needs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._steps = 0

    def tell(self, **news: Any) -> None:
        self._out.write(json.dumps(news) + "\n")
        self._out.flush()

    def started(self, *, path: str, first_step: int, steps: int) -> None:
        self._steps = steps
        self.tell(doing="training", done=first_step, total=steps)

    def stepped(self, step: int, record: Mapping[str, float]) -> None:
        self.tell(doing="training", done=step, total=self._steps, right=record.get("success_rate"))

    def evaluating(self, label: str, done: int, total: int) -> None:
        self.tell(doing=f"evaluating {label}", done=done, total=total)

    def evaluated(self, label: str, result: Any) -> None:
        """The next step tells enough."""

    def said(self, line: str) -> None:
        self.tell(said=line)


def train_cell(path: Path, out: TextIO, *, new: bool) -> int:
    """Train the run in `path`, just made where it is `new`, and report how it ended; the exit code is 0 where the report was written."""
    with importing_the_engine():
        from counterpoise.engines.local import train
        from counterpoise.engines.local.interrupt import RunInterruptedError
    from counterpoise.runs.directory import RunDirectory

    teller = _Teller(out)
    try:
        run = RunDirectory.open(path)
        train(RunDirectory(path, run.config, created=True) if new else run, observer=teller)
    except RunInterruptedError as error:
        teller.tell(ended="interrupted", reason=str(error))
    except TrainingError as error:
        teller.tell(ended="failed", reason=str(error))
    except CounterpoiseError as error:
        teller.tell(ended="refused", reason=str(error), kind=type(error).__name__)
    else:
        teller.tell(ended="trained")
    return 0


def _when_input_ends(then: Callable[[], None]) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        then()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    _when_input_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    # What a library prints goes where the errors go, and not between the lines of news.
    news = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(train_cell(Path(sys.argv[1]), news, new="new" in sys.argv[2:]))

"""Several runs of a study side by side, each in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from counterpoise import errors
from counterpoise.engines.local.interrupt import Interrupt, RunInterruptedError, watching_interrupts
from counterpoise.errors import CounterpoiseError, TrainingError
from counterpoise.jobs.study.pace import TimeLeft
from counterpoise.jobs.study.runs import Study, StudyRun, run_directory
from counterpoise.processes import usable_cores

__all__ = ["CellObserver", "train_cells"]

_PROGRAM = (sys.executable, "-m", f"{__package__}.cell")
_LOOK_SECONDS = 0.2
_TAIL = 300
"""Characters of what a process wrote to standard error that a message shows."""


class CellObserver(Protocol):
    """Told about cells as they go."""

    def began(self, number: int, run: StudyRun) -> None:
        """A cell is begun or continued; numbers are from 0, in the order of the study."""
        ...

    def moved(self, number: int, run: StudyRun, doing: str, done: int, total: int, right: float | None) -> None:
        """It has done so much of what it is doing: steps of training, or rollouts of an evaluation."""
        ...

    def said(self, run: StudyRun, line: str) -> None:
        """A line that the user should see."""
        ...

    def ended(self, number: int, run: StudyRun, how: str, seconds: float) -> None:
        """It is `trained`, `failed` or `interrupted`, after so many seconds."""
        ...

    def left(self, seconds: float, cells: int) -> None:
        """What is left of the grid will take about so long."""
        ...


@dataclass(slots=True, kw_only=True)
class _Cell:
    """A cell whose process is running."""

    number: int
    run: StudyRun
    process: subprocess.Popen[bytes]
    errors: BinaryIO
    """What it writes to standard error."""
    began: float
    first: int
    """Steps it had done."""
    done: int
    """Steps it has done."""
    end: dict[str, Any] = field(default_factory=dict)
    """What it reported last; empty before it did."""


def train_cells(study: Study, *, jobs: int, observer: CellObserver) -> list[tuple[StudyRun, str]]:
    """Train what is not finished, `jobs` runs at a time, in the order of the study.

    A run is the same whatever runs beside it: it has its own process, directory and streams of random numbers. Where it leaves the number
    of its threads to torch, it gets its share of the cores. Any end of this process, SIGKILL included, interrupts the runs, and each saves
    the step that it is in.

    Returns:
        Runs that failed, or whose process was killed, with the reason.

    Raises:
        ConfigError: a run of an earlier study by this name was made with other settings.
        CounterpoiseError: a run was refused, or its disk is full; the others have saved themselves.
        RunInterruptedError: Ctrl-C; the same call goes on from there.
    """
    # What is finished is looked at, too: a study that was changed is refused before anything else is begun.
    for run in study.runs:
        if (run.config.path / "config.toml").is_file():
            run_directory(run)
    waiting = [(number, run) for number, run in enumerate(study.runs) if not run.trained]
    with watching_interrupts(lambda line: None) as interrupt:
        return _Grid(waiting, jobs, observer, interrupt).train()


class _Grid:
    """The state of a grid in progress."""

    def __init__(
        self, waiting: Sequence[tuple[int, StudyRun]], jobs: int, observer: CellObserver, interrupt: Interrupt
    ) -> None:
        self.waiting, self.jobs, self.observer, self.interrupt = list(waiting), jobs, observer, interrupt
        self.running: dict[int, _Cell] = {}
        self.news: queue.SimpleQueue[tuple[int, dict[str, Any] | None]] = queue.SimpleQueue()
        self.failed: list[tuple[StudyRun, str]] = []
        self.pace = TimeLeft()
        self.stopped = False
        """Whether the running cells were asked to save themselves; none is begun after that."""
        self.refused: CounterpoiseError | None = None

    def train(self) -> list[tuple[StudyRun, str]]:
        with self._no_orphans():
            while self.running or (self.waiting and not self.stopped):
                while self.waiting and len(self.running) < self.jobs and not self.stopped:
                    self._begin(*self.waiting.pop(0))
                with suppress(queue.Empty):
                    self._hear(*self.news.get(timeout=_LOOK_SECONDS))
                if self.interrupt.check() and not self.stopped:
                    self._stop()
        if self.refused is not None:
            raise self.refused
        if self.interrupt.wanted:
            raise RunInterruptedError(
                "interrupted; every cell has saved its last step: the same command goes on from there"
            )
        return self.failed

    @contextmanager
    def _no_orphans(self) -> Iterator[None]:
        try:
            yield
        finally:  # at the usual end there is none
            self._stop()
            for cell in self.running.values():
                cell.process.wait()
                _close(cell)

    def _begin(self, number: int, run: StudyRun) -> None:
        new = not (run.config.path / "config.toml").is_file()
        directory = run_directory(run)
        environment = dict(os.environ)
        environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // self.jobs)))
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        process = subprocess.Popen(
            [*_PROGRAM, str(directory.path.absolute()), *(["new"] if new else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C is passed on once, and not met a second time from the terminal
        )
        done = run.steps_done
        cell = _Cell(number=number, run=run, process=process, errors=log, began=time.monotonic(), first=done, done=done)
        self.running[number] = cell
        threading.Thread(target=_read, args=(cell, self.news), daemon=True).start()
        self.observer.began(number, run)

    def _hear(self, number: int, news: Mapping[str, Any] | None) -> None:
        cell = self.running[number]
        if news is None:
            self._end(cell)
        elif "ended" in news:
            cell.end = dict(news)
        elif "said" in news:
            self.observer.said(cell.run, str(news["said"]))
        else:
            if news["doing"] == "training":
                cell.done = news["done"]
            self.observer.moved(number, cell.run, news["doing"], news["done"], news["total"], news.get("right"))

    def _end(self, cell: _Cell) -> None:
        code, seconds = cell.process.wait(), time.monotonic() - cell.began
        del self.running[cell.number]
        how, reason = cell.end.get("ended", "failed"), cell.end.get("reason", "")
        if not cell.end:
            reason = _died(code, cell.errors)
            if self.stopped and code == -signal.SIGTERM:  # before it trained, and so before it could tell
                how = "interrupted"
        _close(cell)
        if how == "refused":
            how = "failed"
            if self.refused is None:
                self.refused = _error(cell.end["kind"], f"{cell.run.label}: {reason}")
            self._stop()
        elif how == "failed":
            self.failed.append((cell.run, reason))
        elif how == "trained":
            self.pace.finished(cell.run.bed, cell.run.config, done=cell.first, seconds=seconds)
        self.observer.ended(cell.number, cell.run, how, seconds)
        rest = [(one.run.bed, one.run.config, one.done) for one in self.running.values()]
        rest += [(run.bed, run.config, run.steps_done) for _, run in self.waiting]
        left = self.pace.left(rest, jobs=self.jobs)
        if rest and left is not None and not self.stopped:
            self.observer.left(left, len(rest))

    def _stop(self) -> None:
        self.stopped = True
        for cell in self.running.values():
            with suppress(ProcessLookupError):
                cell.process.send_signal(signal.SIGTERM)


def _read(cell: _Cell, news: queue.SimpleQueue[tuple[int, dict[str, Any] | None]]) -> None:
    """Pass on what a cell's process tells, and that it has ended."""
    assert cell.process.stdout is not None
    for line in cell.process.stdout:
        with suppress(ValueError):  # a line that a kill cut off
            news.put((cell.number, json.loads(line)))
    news.put((cell.number, None))


def _close(cell: _Cell) -> None:
    for stream in (cell.process.stdin, cell.process.stdout, cell.errors):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _died(code: int, log: BinaryIO) -> str:
    """What is known of a process that did not tell how it ended."""
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - 4 * _TAIL))
    tail = log.read().decode("utf-8", "replace").strip()[-_TAIL:]
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    hint = " (out of memory? lower --jobs)" if code == -signal.SIGKILL else ""
    return f"its process {how}{hint}; its last step that was saved is kept{': ' + tail if tail else ''}"


def _error(kind: str, message: str) -> CounterpoiseError:
    """The error of a cell's process, as its own class, or the nearest above it that is made of a message."""
    found = getattr(errors, kind, None)
    ours = [one for one in getattr(found, "__mro__", ()) if issubclass(one, CounterpoiseError)]
    made = next((one for one in ours if "__init__" not in vars(one)), TrainingError)
    return made(message)

"""Somebody's own reward function that never returns: it is named, and the process that called it ended, so that the run can go on anew."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["GRACE", "Due", "Watch", "is_own", "shortened"]

GRACE: Final = 30.0
"""Seconds beyond a limit after which a process that cannot even say so is ended: something holds its interpreter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What happens to this process where a call is still running."""

    after: float
    """Seconds after its begin."""
    signal: int
    """Sent to this process."""
    line: str
    """Said on standard error before."""


class Watch:
    """A process beside this one that knows which calls are running; started by the first, it ends with this one.

    `with watch.call([Due(after=60, signal=signal.SIGKILL, line="… has not returned")]): …`
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._running: dict[int, tuple[float, str]] = {}

    @property
    def late(self) -> str | None:
        """What is to be said of a call that is running and past its first deadline; None where there is none."""
        now = time.monotonic()
        return next((line for due, line in list(self._running.values()) if due <= now), None)

    @contextlib.contextmanager
    def call(self, due: Sequence[Due]) -> Iterator[None]:
        """For the time of a call: those deadlines, in order of time."""
        number = next(self._numbers)
        self._running[number] = (time.monotonic() + due[0].after, due[0].line)
        self._tell(
            {"call": number, "due": [{"after": one.after, "signal": one.signal, "line": one.line} for one in due]}
        )
        try:
            yield
        finally:
            self._end(number)

    def forget(self) -> None:
        """Hold no running call to its deadlines any more: the run they belong to has ended, though a coroutine may still wait."""
        for number in list(self._running):
            self._end(number)

    def _end(self, number: int) -> None:
        if self._running.pop(number, None) is not None:
            self._tell({"call": number})

    def close(self) -> None:
        """End it; the next call starts another one."""
        with self._lock:
            self._leave()

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()

    def _tell(self, what: dict[str, object]) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._leave()
                script = Path(__file__).with_name("watcher.py")
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(script), str(os.getpid())], stdin=subprocess.PIPE, bufsize=0
                )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # somebody ended it: nothing is watched until the next call
                self._process.stdin.write(json.dumps(what).encode() + b"\n")


def is_own(function: object) -> bool:
    """Whether a reward function is a user's: ours have limits of their own."""
    return not str(getattr(function, "__module__", "")).startswith("counterpoise.")


def shortened(value: object, most: int = 80) -> str:
    """A value in one line of at most so many characters, quoted."""
    text = repr(str(value))
    return text if len(text) <= most else f"{text[: most - 2]}…'"

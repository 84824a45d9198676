"""Ctrl-C and SIGTERM as a wish: the step in progress is finished, then the run saves itself; a second one stops at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from counterpoise.errors import CounterpoiseError

__all__ = ["Interrupt", "RunInterruptedError", "watching_interrupts"]

# Ctrl-C reaches a launched process twice: from the terminal, and passed on by its launcher.
_SAME_WISH_SECONDS = 1.0


class RunInterruptedError(CounterpoiseError):
    """The user stopped the run; it saved itself and says how to go on."""

    exit_code = 130


class Interrupt:
    """Whether somebody wants the run to stop."""

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def watching_interrupts(say: Callable[[str], None]) -> Iterator[Interrupt]:
    """Note SIGINT and SIGTERM for the length of the block; outside the main thread nothing is watched."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    first = 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if interrupt.wanted:
            if time.monotonic() - first > _SAME_WISH_SECONDS:
                raise KeyboardInterrupt
            return
        interrupt.wanted, first = True, time.monotonic()
        say(f"{signal.Signals(number).name}: finishing what is in progress, then saving (once more stops at once)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

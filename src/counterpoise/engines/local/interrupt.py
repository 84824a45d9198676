"""Ctrl-C and the signals of systems as a wish: the step in progress is finished, then the run saves itself; a second one stops at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from counterpoise.errors import CounterpoiseError

__all__ = ["Interrupt", "RunInterruptedError", "watching_interrupts"]

# Ctrl-C reaches a launched process twice: from the terminal, and passed on by its launcher.
_SAME_WISH_SECONDS = 1.0

_AGAIN_SECONDS = 0.05
"""After which a signal that met a destructor is sent once more."""

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""The keyboard, the system, a lost terminal, and a batch system ahead of its time limit."""

_MAY_BE_IGNORED = (signal.SIGHUP, signal.SIGUSR1)
"""Those that whoever started the process may have switched off (`nohup`); they stay so."""


class RunInterruptedError(CounterpoiseError):
    """The user stopped the run; it saved itself and says how to go on."""

    exit_code = 130


class Interrupt:
    """Whether somebody wants the run to stop."""

    def __init__(self) -> None:
        self.wanted = False
        """Once the step in progress is done."""
        self.at_once = False
        """Now."""

    def check(self) -> bool:
        """Whether to stop at the next safe point, asked at one.

        Raises:
            KeyboardInterrupt: a second signal came, and its own exception was lost.
        """
        if self.at_once:
            raise KeyboardInterrupt
        return self.wanted


@contextmanager
def watching_interrupts(say: Callable[[str], None]) -> Iterator[Interrupt]:
    """Note SIGINT, SIGTERM, SIGHUP and SIGUSR1 for the length of the block; outside the main thread nothing is watched.

    A SIGHUP or SIGUSR1 that the process was started to ignore stays ignored. Python drops an exception that is raised inside a destructor:
    a second signal that arrives there is sent again, and `Interrupt.check` raises it at the next safe point in any case.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    first = 0.0
    again: threading.Timer | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first, again
        if interrupt.wanted:
            if interrupt.at_once or time.monotonic() - first > _SAME_WISH_SECONDS:
                interrupt.at_once = True
                if _in_destructor(frame):
                    again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
                    again.daemon = True
                    again.start()
                    return
                raise KeyboardInterrupt
            return
        interrupt.wanted, first = True, time.monotonic()
        with suppress(Exception):  # a terminal that is gone, or a line that was being printed just now
            say(f"{signal.Signals(number).name}: finishing what is in progress, then saving (once more stops at once)")

    ignored = {number for number in _MAY_BE_IGNORED if signal.getsignal(number) is signal.SIG_IGN}
    before = {number: signal.signal(number, handle) for number in _WATCHED if number not in ignored}
    try:
        yield interrupt
    finally:
        if again is not None:
            again.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_destructor(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False

"""What a program gets, and whether it has had it.

Whose fault is a time-out? A program has had its limit when it has run, or slept of its own will, for `seconds`; the time that it stood
in the queue for a processor does not count. The kernel ends it when its processor time is over; a program that sleeps is found out by
asking how long it has queued. Past `overload_seconds` of wall time nothing is decided: the machine is too busy, and that is not the
program's fault.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from counterpoise.verifiers.sandbox.process import Guest, Launcher

__all__ = ["GuestClock", "Limits"]

_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program gets."""

    seconds: int = 4
    """Of its own time, in all its calls together."""
    memory_mb: int = 1024
    """Mebibytes of address space, the interpreter's 20 included."""
    overload_seconds: float = 60.0
    """Of wall time, after which nothing is decided."""
    file_mb: int = 16
    """Largest file."""
    files: int = 64
    """Open files at most."""
    threads: int = 64
    """Threads at most; other processes cannot be made at all."""
    output_mb: int = 16
    """Most that may be printed to standard output where that is judged."""

    def message(self, *, spare_threads: int = 0) -> dict[str, int]:
        """As the guest reads them, in bytes."""
        return {
            "cpu": self.seconds,
            "memory": self.memory_mb << 20,
            "file": self.file_mb << 20,
            "files": self.files,
            "threads": self.threads + spare_threads,
        }


class GuestClock:
    """Time that one guest has taken, and whether it has had its limit."""

    def __init__(self, launcher: Launcher, guest: Guest, limits: Limits) -> None:
        self._launcher, self._guest, self._limits = launcher, guest, limits
        self._before, self._since = 0.0, time.monotonic()
        self._running, self._next_look = True, float(limits.seconds)
        self._looked_at, self._begun = 0.0, self._since

    def start(self) -> None:
        """Time counts from here on."""
        if not self._running:
            self._since, self._running = time.monotonic(), True

    def stop(self) -> None:
        """Time does not count until it is started again."""
        if self._running:
            self._before, self._running = self.elapsed, False

    @property
    def elapsed(self) -> float:
        """Seconds that counted."""
        return self._before + (time.monotonic() - self._since if self._running else 0.0)

    @property
    def overloaded(self) -> bool:
        """Whether so much wall time is over that nothing can be decided."""
        return time.monotonic() - self._begun > self._limits.overload_seconds

    def spent(self) -> bool:
        """Whether the limit is over, as far as is known; asks the kernel when it may be."""
        if self._guest.inspected:
            self._guest.inspected = False
            if self._guest.waited is not None and self._looked_at - self._guest.waited >= self._limits.seconds:
                return True
        if self.elapsed >= self._next_look:
            self._launcher.inspect(self._guest)
            self._looked_at = self.elapsed
            self._next_look = self._looked_at + _LOOK_SECONDS
        return False

    def patience(self) -> float:
        """Seconds until something has to be looked at."""
        return max(0.01, min(self._next_look - self.elapsed, 1.0)) if self._running else 1.0

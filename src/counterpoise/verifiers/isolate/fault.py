"""Why a worker gave no judgement, as far as its end tells."""

from __future__ import annotations

import enum
import signal

from counterpoise.errors import CounterpoiseError

__all__ = ["Fault", "explain_exit", "fault_of_error", "fault_of_exit"]

_OWN_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Fault(enum.StrEnum):
    """What ended a job without a judgement."""

    PROCESSOR = "processor"
    """It used up its processor time, which no other load of the machine can bring about."""
    MEMORY = "memory"
    """It reached the worker's own limit of memory."""
    CRASH = "crash"
    """It raised, left, or died of a signal that a program brings upon itself."""
    OUTSIDE = "outside"
    """The clock ran out before the processor time, somebody else ended the worker, or the machine lacked something."""


def fault_of_error(error: BaseException) -> Fault:
    """The fault of a verifier that raised. No text causes a full disk, a lost file or a missing package."""
    if isinstance(error, MemoryError):
        return Fault.MEMORY
    return Fault.OUTSIDE if isinstance(error, (OSError, ImportError, CounterpoiseError)) else Fault.CRASH


def fault_of_exit(code: int | None) -> Fault:
    """The fault of a worker that ended with this exit code; negative codes are signals.

    A job that runs into the worker's own limit of memory gets a MemoryError, or dies of SIGABRT or SIGSEGV in a library that does not
    check. SIGKILL is nothing that a job brings upon itself: the kernel sends it when the machine, not the worker, has no memory left.
    """
    if code is not None and -code == signal.SIGPROF:
        return Fault.PROCESSOR
    return Fault.CRASH if code is not None and (code >= 0 or -code in _OWN_SIGNALS) else Fault.OUTSIDE


def explain_exit(code: int | None, deadline: float) -> str:
    """The reason of a judgement that was not reached, for people."""
    if code is not None and -code == signal.SIGPROF:
        return f"timeout: {deadline:g} s of processor time"
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"crash: the worker was ended by {name}{hint}"
    return f"crash: the worker left with exit code {code}"

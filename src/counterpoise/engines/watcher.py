"""The process beside one that calls somebody else's function: `python watcher.py PARENT`, told of calls on standard input.

A thread could not act where a call holds the interpreter's lock, as a regular expression does that backtracks. It imports nothing of this
package, so that it is there at once.
"""

import json
import os
import select
import signal
import sys
import time

__all__ = ["watch"]

_LOOK = 30.0
"""Seconds after which it looks whether the parent is still there: a fork of the parent's may hold the pipe open."""


def watch(parent: int) -> None:
    """Until the parent has ended: say what each late call is, and send the parent the signals that the call names, each at its time."""
    calls: dict[int, list[tuple[float, int, str]]] = {}
    rest = b""
    while os.getppid() == parent:
        now = time.monotonic()
        first = min((due[0][0] for due in calls.values()), default=now + _LOOK)
        ready, _, _ = select.select([0], [], [], max(0.0, min(first - now, _LOOK)))
        if ready:
            read = os.read(0, 1 << 16)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for told in map(json.loads, lines):
                calls.pop(told["call"], None)
                if "due" in told:
                    calls[told["call"]] = [
                        (time.monotonic() + one["after"], one["signal"], one["line"]) for one in told["due"]
                    ]
            continue  # an end that has come in time goes before a deadline
        for call, due in list(calls.items()):
            if due[0][0] <= time.monotonic():
                _, number, line = due.pop(0)
                print(line, file=sys.stderr, flush=True)
                if os.getppid() == parent:
                    os.kill(parent, number)
                if not due:
                    del calls[call]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all
    watch(int(sys.argv[1]))

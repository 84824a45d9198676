"""One program at a time: give it to fresh guests, keep the clock, and say what happened."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from counterpoise.verifiers.sandbox.limits import GuestClock, Limits
from counterpoise.verifiers.sandbox.plain import Unsendable, load
from counterpoise.verifiers.sandbox.process import Guest, Launcher, Level, SandboxFault

__all__ = ["Examined", "Sandbox", "Script"]

_CAP: Final = 64 << 20
_HELLO_SECONDS: Final = 30.0
_KILLED: Final = (137, -9)
_GONE: Final = b'["l","gone","the program has ended"]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What the tests said of a program, and how both ended."""

    basis: str
    """`tests` where they ran to their end, `tests_stopped` where an exception ended them, else what stopped the program: `time_limit`,
    `exited`, `not_loaded`, `missing_module`, `output_limit`, `protocol`, `tests_exhausted` (its values did)."""
    passed: int = 0
    """Tests that held."""
    total: int = 0
    """All tests."""
    calls: int = 0
    """Calls that the program answered, with a value or an exception."""
    whole: bool = False
    """The tests hold no assert, so that they are one test together."""
    fault: str | None = None
    """Why nothing is known; not the program's fault."""

    @property
    def correct(self) -> bool:
        """Every test held, and the program was really asked."""
        return self.fault is None and self.basis == "tests" and 0 < self.total == self.passed and self.calls > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a run of a program on one input ended."""

    basis: str
    """`ended`, `time_limit`, `exited` (with another code than 0) or `output_limit`."""
    output: bytes = b""
    """What it wrote to standard output."""
    fault: str | None = None
    """Why nothing is known; not the program's fault."""


class Sandbox:
    """Guests of one level; a context manager, for one thread.

    The next guest is started while one is at work, so that a program seldom waits for bubblewrap and an interpreter.
    """

    def __init__(self, level: Level, *, bwrap: str | None = None) -> None:
        self.level = level
        self._launcher = Launcher(level, bwrap=bwrap)
        self._spares: dict[str, deque[Guest]] = {"function": deque(), "script": deque()}
        self._tests: Guest | None = None
        self._spare_threads = _threads_of_user() if level != "bwrap" and os.geteuid() != 0 else 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything; safe to call twice."""
        self._launcher.close()

    def examine(self, code: str, exam: dict[str, Any], limits: Limits) -> Examined:
        """Load a program and let the tests call it; `exam` is what `examiner.Examination` reads.

        Raises:
            SandboxFault: the sandbox broke; it has to be closed.
        """
        kills = _out_of_memory_kills()
        tests, program = self._take_tests(), self._take("function")
        # Whatever interrupts this, tests that were not heard to their end must not speak into the next program's turn.
        self._tests = None
        try:
            result = _Examination(self._launcher, program, tests, limits).run(self._job(code, limits), exam, kills)
            if not tests.channel.closed:
                self._tests = tests
        finally:
            self._launcher.kill(program)
            if self._tests is None:
                self._launcher.kill(tests)
        self._launcher.wait_for_end(program)
        return result

    def run(self, code: str, data: bytes, limits: Limits) -> Script:
        """Run a program on one standard input.

        Raises:
            SandboxFault: the sandbox broke; it has to be closed.
        """
        kills = _out_of_memory_kills()
        guest = self._take("script")
        try:
            result = self._watch(guest, code, data, limits, kills)
        finally:
            self._launcher.kill(guest)
        self._launcher.wait_for_end(guest)
        return result

    def _watch(self, guest: Guest, code: str, data: bytes, limits: Limits, kills: int | None) -> Script:
        launcher, stdin, stdout = self._launcher, guest.stdin, guest.stdout
        assert stdin is not None and stdout is not None
        stdout.cap = limits.output_mb << 20
        guest.channel.send(self._job(code, limits))
        stdin.send(data)
        clock = GuestClock(launcher, guest, limits)
        while guest.ending is None or not stdout.closed:
            if not stdin.waiting:
                stdin.close()
            if guest.ending is not None and guest.ending.fault is not None:
                raise SandboxFault(guest.ending.fault)
            if stdout.overflown:
                return Script(basis="output_limit")
            if guest.ending is None and clock.spent():
                return Script(basis="time_limit")
            if clock.overloaded:
                return Script(basis="none", fault=_overload(limits))
            launcher.wait([guest], clock.patience())
        rule, fault = _explain(guest, limits, kills)
        return Script(basis=rule, fault=fault, output=bytes(stdout.received))

    def _job(self, code: str, limits: Limits) -> bytes:
        return json.dumps({"code": code, "limits": limits.message(spare_threads=self._spare_threads)}).encode() + b"\n"

    def _take(self, role: str) -> Guest:
        spares = self._spares[role]
        guest = spares.popleft() if spares else self._launcher.start(role, cap=_CAP)
        self._greet(guest)
        spares.append(self._launcher.start(role, cap=_CAP))
        return guest

    def _take_tests(self) -> Guest:
        if self._tests is None or self._tests.ending is not None:
            self._tests = self._launcher.start("tests", cap=_CAP)
            self._greet(self._tests)
        self._tests.channel.total = 0
        return self._tests

    def _greet(self, guest: Guest) -> None:
        """Wait until a guest is up: what fails before is the sandbox's fault, what fails later the program's."""
        deadline = time.monotonic() + _HELLO_SECONDS
        while guest.channel.line() is None:
            if guest.ending is not None or guest.channel.closed:
                ending = self._launcher.wait_for_end(guest)
                raise SandboxFault(ending.fault or f"a guest ended with code {ending.code} before it was up")
            if time.monotonic() > deadline:
                raise SandboxFault(f"a guest was not up within {_HELLO_SECONDS:g} s")
            self._launcher.wait([guest], deadline - time.monotonic())


class _Examination:
    """The supervisor between a program and its tests: relays lines, keeps the clock, believes only the tests."""

    def __init__(self, launcher: Launcher, program: Guest, tests: Guest, limits: Limits) -> None:
        self._launcher, self._program, self._tests, self._limits = launcher, program, tests, limits
        self._clock = GuestClock(launcher, program, limits)
        self._loaded = self._asked = False
        self._gone: str | None = None
        self._fault: str | None = None
        self._answers = 0
        self._verdict: list[Any] | None = None

    def run(self, job: bytes, exam: dict[str, Any], kills: int | None) -> Examined:
        limits = self._limits.message()
        self._program.channel.send(job)
        self._tests.channel.send(json.dumps({"limits": limits, "exam": exam}).encode() + b"\n")
        while True:
            while (line := self._tests.channel.line()) is not None:
                over = self._hear_tests(line)
                if over is not None:
                    return self._result(over)
            while self._gone is None and (line := self._program.channel.line()) is not None:
                self._hear_program(line)
            if self._gone is None and (self._program.channel.closed or self._program.ending is not None):
                self._lose_program(kills)
            if self._gone is None and self._clock.spent():
                self._end_program("time_limit")
            if self._fault is None and self._clock.overloaded:
                self._fault = _overload(self._limits)
            if self._tests.channel.closed or self._tests.ending is not None:
                self._fault = self._fault or "sandbox: the process of the tests ended"
            if self._fault is not None:
                self._launcher.kill(self._tests)
                return Examined(basis="none", fault=self._fault)
            guests = [self._tests] if self._gone else [self._tests, self._program]
            self._launcher.wait(guests, self._clock.patience())

    def _hear_tests(self, line: str) -> list[Any] | None:
        """Take one line of the tests; their last one is returned."""
        try:
            message = load(line)
        except Unsendable:  # they were ended in the middle of a line
            self._fault = "sandbox: the process of the tests ended in the middle of a line"
            return None
        if message[0] == "over":
            return list(message)
        if message[1] == "call":
            if self._gone is not None:
                self._tests.channel.send(_GONE)
            else:
                self._asked = True
                self._program.channel.send(line.encode() + b"\n")
                self._clock.start()
        elif message[1] == "verdict":
            self._verdict = message[2:]
        else:
            self._fault = f"unparsable gold: its tests do not run: {message[2]}"
        return None

    def _hear_program(self, line: str) -> None:
        if not self._loaded:
            self._loaded = True
            if line != '["l","loaded"]':
                missing = line.startswith('["l","failed","ModuleNotFoundError')
                self._end_program("missing_module" if missing else "not_loaded")
        elif self._asked:
            self._asked = False
            self._answers += 1
            self._tests.channel.send(line.encode() + b"\n")
        else:
            self._end_program("protocol")
        if not self._asked:
            self._clock.stop()

    def _lose_program(self, kills: int | None) -> None:
        if self._program.channel.overflown:
            self._end_program("output_limit")
            return
        self._launcher.kill(self._program)
        self._launcher.wait_for_end(self._program)
        rule, fault = _explain(self._program, self._limits, kills)
        self._fault = self._fault or fault
        self._end_program("exited" if rule == "ended" else rule)

    def _end_program(self, why: str) -> None:
        self._gone = why
        self._clock.stop()
        self._launcher.kill(self._program)
        if self._asked:
            self._tests.channel.send(_GONE)

    def _result(self, over: list[Any]) -> Examined:
        _, code, cpu = over
        if self._fault is not None:
            return Examined(basis="none", fault=self._fault)
        if self._verdict is not None:
            passed, total, calls, ended, whole = self._verdict
            rule = self._gone or ("tests" if ended else "tests_stopped")
            return Examined(basis=rule, passed=passed, total=total, calls=calls, whole=whole)
        # The same tests ran to their end on the right program's values (selfcheck shows it), so the values were others.
        if self._answers and code in _KILLED and cpu >= self._limits.seconds:
            return Examined(basis="tests_exhausted")
        return Examined(
            basis="none", fault=f"sandbox: the process of the tests ended with code {code} after {cpu:.1f} s"
        )


def _explain(guest: Guest, limits: Limits, kills: int | None) -> tuple[str, str | None]:
    """Rule and fault of a guest that has ended by itself or was ended by the kernel."""
    ending = guest.ending
    assert ending is not None
    if ending.fault is not None:
        raise SandboxFault(ending.fault)
    if ending.code in _KILLED:
        if ending.cpu >= limits.seconds:
            return "time_limit", None
        if kills != _out_of_memory_kills():
            return "none", "memory: the machine ran out of memory and ended the program within its own limit"
    return ("ended" if ending.code == 0 else "exited"), None


def _overload(limits: Limits) -> str:
    return f"overload: undecided after {limits.overload_seconds:g} s, of which the program had less than its {limits.seconds} s"


def _out_of_memory_kills() -> int | None:
    """How often this machine's kernel has killed a process for lack of memory; None where it does not tell."""
    try:
        with open("/proc/vmstat") as handle:
            return next((int(line.split()[1]) for line in handle if line.startswith("oom_kill ")), None)
    except OSError:
        return None


def _threads_of_user() -> int:
    """Threads that this user has now, with some to spare: without a namespace of its own a program's limit counts all of them."""
    count, uid = 256, os.geteuid()
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count

"""The supervisor's side: a launcher process, the guests it starts, and the bytes that go to and come from them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from counterpoise.errors import VerifierError
from counterpoise.verifiers.sandbox.bubblewrap import ENVIRONMENT

__all__ = ["Ending", "Guest", "Launcher", "Level", "Pipe", "SandboxFault"]

Level = Literal["bwrap", "landlock+seccomp", "rlimits"]
"""How a program is confined, best first."""

_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 10.0
_SCRATCH: Final = 16 << 20
_BOOT: Final = """
import sys, types
for name, path in zip(("counterpoise", "counterpoise.verifiers", "counterpoise.verifiers.sandbox"), sys.argv[2:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from counterpoise.verifiers.sandbox.launcher import main
main(sys.argv[1])
"""
"""Stands in for the packages above, whose own imports (numpy) the launcher neither needs nor would survive without its site-packages."""


class SandboxFault(VerifierError):
    """The sandbox did not do its part; says nothing about the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a guest ended."""

    code: int
    """Exit code; 137 (bubblewrap's 128 + 9) or -9 when it was killed."""
    cpu: float
    """Seconds of processor time it took, its start included."""
    fault: str | None = None
    """Why it could not be started."""


class Pipe:
    """One end of a non-blocking stream with a cap on what may arrive; the peer is not trusted."""

    def __init__(self, descriptor: int, *, cap: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor, self.cap = descriptor, cap
        self.received = bytearray()
        self.total = 0
        self.closed = self.overflown = False
        self._outbox: deque[memoryview] = deque()

    def send(self, data: bytes) -> None:
        """Write as much as fits now, the rest whenever `flush` is called."""
        self._outbox.append(memoryview(data))
        self.flush()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._outbox)

    def flush(self) -> None:
        """Write on; a peer that has gone takes the rest with it."""
        try:
            while self._outbox:
                written = os.write(self.descriptor, self._outbox[0][:65536])
                self._outbox[0] = self._outbox[0][written:]
                if not self._outbox[0]:
                    self._outbox.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._outbox.clear()

    def receive(self) -> None:
        """Take what has arrived; at most a mebibyte at a time, and nothing beyond the cap."""
        try:
            data = os.read(self.descriptor, 1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.closed = self.closed or not data
        self.total += len(data)
        if self.total > self.cap:
            self.overflown = self.closed = True
        else:
            self.received += data

    def line(self) -> str | None:
        """The next whole line, None when there is none yet."""
        end = self.received.find(b"\n")
        if end < 0:
            return None
        line = self.received[:end].decode("ascii", "replace")
        del self.received[: end + 1]
        return line

    def close(self) -> None:
        """Close the descriptor; safe to call twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        self.closed = True


class Guest:
    """A sandboxed process that has been asked for; it says `hello` when it is ready."""

    def __init__(self, number: int, channel: Pipe, stdin: Pipe | None, stdout: Pipe | None) -> None:
        self.number, self.channel, self.stdin, self.stdout = number, channel, stdin, stdout
        self.ending: Ending | None = None
        self.waited: float | None = None
        self.inspected = False

    def pipes(self) -> list[Pipe]:
        """The streams that are open."""
        return [pipe for pipe in (self.channel, self.stdin, self.stdout) if pipe is not None and pipe.descriptor >= 0]

    def close(self) -> None:
        """Let go of its streams."""
        for pipe in self.pipes():
            pipe.close()


class Launcher:
    """The launcher process and its guests.

    Raises:
        SandboxFault: the level cannot be had here.
    """

    def __init__(self, level: Level, *, bwrap: str | None) -> None:
        self.level = level
        here = Path(__file__).resolve().parent
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = json.dumps({"level": level, "bwrap": bwrap, "scratch": _SCRATCH})
        with other:
            self._process = subprocess.Popen(
                [
                    _interpreter(),
                    "-s",
                    "-S",
                    "-P",
                    "-B",
                    "-X",
                    "utf8",
                    "-c",
                    _BOOT,
                    settings,
                    *map(str, (here.parent.parent, here.parent, here)),
                ],
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
            )
        self._finalizer = weakref.finalize(self, _end, self._process, self._socket)
        self._guests: dict[int, Guest] = {}
        self._next = 0
        self._socket.settimeout(_START_SECONDS)
        try:
            answer = json.loads(self._socket.recv(65536) or b'{"refused": "the launcher died at its start"}')
        except TimeoutError:
            answer = {"refused": f"the launcher did not start within {_START_SECONDS:g} s"}
        if "refused" in answer:
            self.close()
            raise SandboxFault(answer["refused"])
        self._socket.setblocking(False)

    def start(self, role: str, *, cap: int) -> Guest:
        """Ask for a guest; `cap` bytes may come from its channel, and for a script as many from its standard output.

        Raises:
            SandboxFault: the launcher has gone.
        """
        mine, theirs = socket.socketpair()
        given, guest_number = [theirs.fileno()], self._next
        self._next += 1
        stdin = stdout = None
        if role == "script":
            input_read, input_write = os.pipe()
            output_read, output_write = os.pipe()
            given += [input_read, output_write]
            stdin, stdout = Pipe(input_write, cap=0), Pipe(output_read, cap=cap)
        else:
            given += [os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)]
        guest = Guest(guest_number, Pipe(mine.detach(), cap=cap), stdin, stdout)
        self._guests[guest.number] = guest
        try:
            self._tell({"start": guest.number, "role": role}, given)
        finally:
            theirs.close()
            for descriptor in given[1:]:
                os.close(descriptor)
        return guest

    def kill(self, guest: Guest) -> None:
        """End a guest and everything in it; its streams are closed at once, `ending` follows."""
        guest.close()
        if guest.ending is None:
            self._tell({"kill": guest.number})

    def inspect(self, guest: Guest) -> None:
        """Ask how long it has stood in the queue for a processor; the answer comes as `waited`, with `inspected` set."""
        guest.inspected = False
        self._tell({"inspect": guest.number})

    def wait(self, guests: list[Guest], seconds: float) -> None:
        """Move bytes and take reports until something happens, at most so long.

        Raises:
            SandboxFault: the launcher has gone.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        pipes: dict[int, Pipe] = {}
        for pipe in (pipe for guest in guests for pipe in guest.pipes()):
            events = (0 if pipe.closed else select.POLLIN) | (select.POLLOUT if pipe.waiting else 0)
            if events:
                pipes[pipe.descriptor] = pipe
                poll.register(pipe.descriptor, events)
        for descriptor, event in poll.poll(max(0.0, seconds) * 1000):
            if descriptor == self._socket.fileno():
                self._take_reports()
                continue
            if event & select.POLLOUT:
                pipes[descriptor].flush()
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                pipes[descriptor].receive()

    def wait_for_end(self, guest: Guest, seconds: float = 10.0) -> Ending:
        """The ending of a guest that has been killed or has closed its channel.

        Raises:
            SandboxFault: it does not end.
        """
        deadline = time.monotonic() + seconds
        while guest.ending is None:
            if time.monotonic() > deadline:
                raise SandboxFault(f"a guest did not end within {seconds:g} s of being killed")
            self.wait([], deadline - time.monotonic())
        return guest.ending

    def close(self) -> None:
        """End the launcher and every guest; safe to call twice."""
        for guest in list(self._guests.values()):
            guest.close()
        self._guests.clear()
        self._finalizer()

    def _tell(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors or [])
        except OSError as error:
            raise SandboxFault(f"the launcher has gone ({error})") from error

    def _take_reports(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = self._socket.recv(65536)
                except ConnectionResetError:  # killed with a message of ours unread
                    data = b""
                if not data:
                    raise SandboxFault("the launcher has gone")
                report = json.loads(data)
                if "exit" in report:
                    guest = self._guests.pop(report["exit"], None)
                    if guest is not None:
                        guest.ending = Ending(code=report["code"], cpu=report["cpu"], fault=report.get("fault"))
                elif (guest := self._guests.get(report["inspected"])) is not None:
                    guest.waited, guest.inspected = report["waited"], True


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """Without its socket the launcher ends its guests and then itself."""
    channel.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _interpreter() -> str:
    """The interpreter behind a virtual environment: nothing installed is needed, and the environment may lie where guests cannot look."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)

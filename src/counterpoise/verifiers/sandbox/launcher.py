"""A small process that starts guests, ends them, and reports how they ended; it runs as an unprivileged user and holds no data.

Started once per sandbox by `process.Launcher` with the socket to it as descriptor 0. Each request is a JSON object; `start` carries the
guest's descriptors (channel, standard input, standard output). It imports nothing of the package but its neighbours.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import marshal
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from counterpoise.verifiers.sandbox import examiner, guest, landlock, plain
from counterpoise.verifiers.sandbox.bubblewrap import ENVIRONMENT, bubblewrap_options
from counterpoise.verifiers.sandbox.interpreter import hidden, readable, reveal
from counterpoise.verifiers.sandbox.seccomp import seccomp_filter

__all__ = ["ROLES", "main"]

ROLES: Final[Mapping[str, tuple[tuple[ModuleType, ...], Callable[[], None]]]] = {
    "function": ((plain, guest), guest.run_function),
    "script": ((plain, guest), guest.run_script),
    "tests": ((plain, guest, examiner), examiner.serve),
}
"""What a guest does: the modules it needs, in the order in which they need one another, and the function that is called."""

_ARGUMENTS, _PAYLOAD, _FILTER, _INFO = 10, 11, 12, 13
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _FILTER_MODE = 1, 38, 22, 36, 2
_FIRST_UID, _UIDS = 61184, 4096
_CLAIMS: Final[list[socket.socket]] = []
# Bubblewrap's own process is number 1 in the namespace that it makes.
_FIRST_INSIDE = 2


@dataclass(slots=True)
class _Started:
    guest: int
    info: int | None
    """Pipe on which bubblewrap says which process it made; None without bubblewrap."""
    inner: int | None = None

    def find_inner(self) -> int | None:
        """Process number of bubblewrap's child: when it has ended, everything in its namespace has."""
        if self.info is not None:
            try:
                text = os.read(self.info, 4096)
            except BlockingIOError:  # it was ended before it had made one
                text = b""
            os.close(self.info)
            self.info = None
            self.inner = json.loads(text)["child-pid"] if text else None
        return self.inner


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main(arguments: str) -> None:
    """Serve requests until the other end goes; `arguments` is a JSON object with `level`, `bwrap` and `scratch`."""
    settings = json.loads(arguments)
    channel = socket.socket(fileno=os.dup(0))
    try:
        parent = os.getppid()
        _drop_privileges()
        # Not SIGKILL: a bubblewrap that has just started would be left behind, so there has to be time to end everything.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        if os.getppid() != parent:
            return
        launcher = _Launcher(channel, settings)
    except (OSError, ValueError) as error:
        channel.send(json.dumps({"refused": str(error)}).encode())
        return
    channel.send(json.dumps({"ready": True}).encode())
    launcher.serve()


def _prctl(option: int, value: object) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


def _drop_privileges() -> None:
    """Become a user that owns nothing, when root: the limit on processes does not bind root."""
    if os.geteuid() != 0:
        return
    directory = hidden()
    if directory is not None:
        try:
            reveal(directory)
        except OSError as error:
            raise OSError(
                f"an unprivileged user may not enter {directory}, where Python is, and root may not mount here ({error.strerror}); "
                "install Python somewhere else, or do not run as root"
            ) from error
    uid = _free_user()
    os.chdir("/")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _free_user() -> int:
    """A user that runs nothing: two sandboxes of one would share its limit on processes, and their guests could meet."""
    taken = _users()
    wanted = (_FIRST_UID + (os.getpid() + more) % _UIDS for more in range(_UIDS))
    return next((uid for uid in wanted if uid not in taken and _claim(uid)), _FIRST_UID + os.getpid() % _UIDS)


def _claim(uid: int) -> bool:
    """Whether the user is this process's from now on: a name is bound by one alone of two that look at one moment."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0counterpoise sandbox {uid}")
    except OSError:
        name.close()
        return False
    _CLAIMS.append(name)
    return True


class _Launcher:
    def __init__(self, channel: socket.socket, settings: dict[str, Any]) -> None:
        self.channel, self.level, self.bwrap = channel, settings["level"], settings["bwrap"]
        self.null = os.open(os.devnull, os.O_WRONLY)
        self.stopped = False
        self.started: dict[int, _Started] = {}
        # CPU seconds of processes that were handed to this one: bubblewrap leaves before its child does.
        self.orphans: dict[int, float] = {}
        if self.level == "bwrap":
            self.filters = {role: _filter_for(role, _FIRST_INSIDE, execute=True) for role in ROLES}
            self.payloads = {role: _payload(role) for role in ROLES}
            options = bubblewrap_options(scratch=settings["scratch"], payload=_PAYLOAD, seccomp=_FILTER, info=_INFO)
            cut = options.index("--")
            self.options = b"".join(option.encode() + b"\0" for option in options[:cut])
            self.command = options[cut:]
        elif self.level == "landlock+seccomp":
            if landlock.landlock_version() < landlock.OLDEST:
                raise OSError(
                    f"Landlock's interface has version {landlock.landlock_version()} here; {landlock.OLDEST} is needed (Linux 6.2)"
                )
            seccomp_filter()
            self.ruleset = landlock.make_ruleset(readable())

    def serve(self) -> None:
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while not self.stopped:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wake in ready:
                os.read(wake, 4096)
            self._reap()
            if self.channel.fileno() in ready:
                try:
                    message, descriptors, _, _ = socket.recv_fds(self.channel, 65536, 3)
                except ConnectionError:  # the other end went without reading the last reports
                    break
                if not message:
                    break
                self._obey(json.loads(message), descriptors)
        _end_family()

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _obey(self, request: dict[str, Any], descriptors: list[int]) -> None:
        if "start" in request:
            start = self._start_bwrap if self.level == "bwrap" else self._start_fork
            try:
                pid, info = start(request["role"], descriptors)
                self.started[pid] = _Started(request["start"], info)
            except OSError as error:
                self._send({"exit": request["start"], "code": -1, "cpu": 0.0, "fault": str(error)})
            for descriptor in descriptors:
                os.close(descriptor)
            return
        number = request.get("kill", request.get("inspect"))
        found = next((pid for pid, started in self.started.items() if started.guest == number), None)
        if "kill" in request and found is not None:
            self._kill(found)
        if "inspect" in request:
            self._send({"inspected": number, "waited": None if found is None else self._waited(found)})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.channel.send(json.dumps(message).encode())
        except OSError:
            self.stopped = True

    def _start_bwrap(self, role: str, descriptors: list[int]) -> tuple[int, int | None]:
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        files = [_memory(data) for data in (self.options, self.payloads[role], self.filters[role])]
        moves = [
            *zip(descriptors, (guest.CHANNEL, 0, 1), strict=True),
            *zip(files, (_ARGUMENTS, _PAYLOAD, _FILTER), strict=True),
        ]
        moves += [(write, _INFO), (self.null, 2)]
        # Sources are moved out of the way first: a target number may be another one's source.
        sources = [_above(source) for source, _ in moves]
        actions = [(os.POSIX_SPAWN_DUP2, source, target) for source, (_, target) in zip(sources, moves, strict=True)]
        command = [self.bwrap, "--args", str(_ARGUMENTS), *self.command]
        try:
            pid = os.posix_spawn(
                self.bwrap, command, {}, file_actions=actions, setsigdef=[signal.SIGCHLD, signal.SIGPIPE]
            )
        finally:
            for descriptor in (*sources, *files, write):
                os.close(descriptor)
        return pid, read

    def _start_fork(self, role: str, descriptors: list[int]) -> tuple[int, int | None]:
        pid = os.fork()
        if pid == 0:
            try:
                self._become(role, descriptors)
            finally:
                os._exit(70)
        return pid, None

    def _become(self, role: str, descriptors: list[int]) -> None:
        """In a forked child: be the guest, under Landlock and seccomp where that is the level."""
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        sources = [_above(descriptor) for descriptor in (*descriptors, self.null)]
        for source, target in zip(sources, (guest.CHANNEL, 0, 1, 2), strict=True):
            os.dup2(source, target)
        ruleset = _above(self.ruleset) if self.level == "landlock+seccomp" else -1
        os.closerange(4, ruleset if ruleset >= 0 else 4096)
        if ruleset >= 0:
            os.closerange(ruleset + 1, 4096)
        sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        if ruleset >= 0:
            landlock.restrict(ruleset)
            os.close(ruleset)
            self._filter(_filter_for(role, os.getpid(), execute=False))
        else:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        ROLES[role][1]()

    @staticmethod
    def _filter(program: bytes) -> None:
        held = ctypes.create_string_buffer(program, len(program))
        described = _Program(len(program) // 8, ctypes.addressof(held))
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(described), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the seccomp filter was refused")

    def _kill(self, pid: int) -> None:
        for kill in (os.killpg, os.kill) if self.level != "bwrap" else (os.kill,):
            try:
                kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            cpu = usage.ru_utime + usage.ru_stime
            started = self.started.pop(pid, None)
            if started is None:
                self.orphans[pid] = cpu
                continue
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            if (inner := started.find_inner()) is not None:
                cpu += self.orphans.pop(inner) if inner in self.orphans else _end(inner)
            elif self.level != "bwrap":
                self._kill(pid)
            self._send({"exit": started.guest, "code": code, "cpu": cpu})

    def _waited(self, pid: int) -> float | None:
        """Seconds a guest has stood in the queue for a processor; None where the kernel does not tell."""
        top = self.started[pid].find_inner() if self.level == "bwrap" else pid
        if top is None:
            return None
        parents = _parents()
        family = {top}
        while more := {child for child, parent in parents.items() if parent in family} - family:
            family |= more
        waits = [wait for member in family for wait in _queued(member)]
        return max(waits) / 1e9 if waits else None


def _filter_for(role: str, pid: int, *, execute: bool) -> bytes:
    """The tests fork and are believed; a program may signal nobody but itself."""
    tests = role == "tests"
    return seccomp_filter(processes=tests, execute=execute, only_signal=None if tests else pid)


def _payload(role: str) -> bytes:
    """The guest's modules, compiled, and the name of its function, as `bubblewrap` boots them; a package has no code."""
    modules, function = ROLES[role]
    parts: list[tuple[str, Any]] = []
    for module in modules:
        source = Path(str(module.__file__))
        parts.append((module.__name__, compile(source.read_bytes(), source.name, "exec", dont_inherit=True)))
    names = parts[0][0].split(".")
    packages = [(".".join(names[:depth]), None) for depth in range(1, len(names))]
    return marshal.dumps(([*packages, *parts], function.__name__))


def _memory(data: bytes) -> int:
    descriptor = os.memfd_create("guest", os.MFD_CLOEXEC)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _above(descriptor: int) -> int:
    """A copy of a descriptor with a number above those that are given away."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 32)


def _end_family() -> None:
    """Kill and reap everything below this process; what is orphaned meanwhile becomes its child."""
    while True:
        parents, family = _parents(), {os.getpid()}
        while more := {child for child, parent in parents.items() if parent in family} - family:
            family |= more
        for pid in family - {os.getpid()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            while os.wait4(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        select.select([], [], [], 0.005)


def _parents() -> dict[int, int]:
    """The parent of every process that can be seen."""
    return _seen("stat", lambda text: int(text.rpartition(")")[2].split()[1]))


def _users() -> set[int]:
    """The real user of every process that can be seen."""
    return set(_seen("status", lambda text: int(text.partition("\nUid:")[2].split()[0])).values())


def _seen(file: str, read: Callable[[str], int]) -> dict[int, int]:
    """What is read from a file of every process that can be seen."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = read(Path(f"/proc/{name}/{file}").read_text())
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
    return found


def _queued(pid: int) -> list[int]:
    """Nanoseconds that each thread of a process has waited for a processor; empty where the kernel does not tell."""
    try:
        return [int((task / "schedstat").read_text().split()[1]) for task in Path(f"/proc/{pid}/task").iterdir()]
    except (OSError, ValueError, IndexError):
        return []


def _end(pid: int) -> float:
    """Kill a process, wait for it, and return the CPU seconds of it and all below it."""
    try:
        os.kill(pid, signal.SIGKILL)
        usage = os.wait4(pid, 0)[2]
    except (ProcessLookupError, ChildProcessError):
        return 0.0
    return usage.ru_utime + usage.ru_stime

"""Which level of the sandbox works here, found out by running a program that tries to get out."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from counterpoise.errors import VerifierError
from counterpoise.verifiers.sandbox.job import Sandbox
from counterpoise.verifiers.sandbox.limits import Limits
from counterpoise.verifiers.sandbox.process import Level, SandboxFault

__all__ = [
    "LEVELS",
    "best_level",
    "bubblewrap_command",
    "discard_sandbox",
    "open_sandbox",
    "refusal",
    "thread_sandbox",
    "unsafe_words",
]

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""Best first; the last one is for people who say `unsafe`."""

_PROBE: Final = """
import os, socket

def escapes():
    found = []
    def attempt(name, function):
        try:
            function()
        except OSError:
            return
        found.append(name)
    attempt("read /etc/passwd", lambda: open("/etc/passwd").close())
    attempt("list /proc", lambda: os.listdir("/proc/self"))
    attempt("write outside /tmp", lambda: open("/usr/lib/counterpoise-probe", "w").close())
    attempt("open a socket", lambda: socket.socket().close())
    attempt("signal its parent", lambda: os.kill(os.getppid(), 0) if os.getppid() > 1 else os.kill(-1, 0))
    def fork():
        if os.fork() == 0:
            os._exit(0)
    attempt("start a process", fork)
    return found
"""
_EXAM: Final = {
    "kind": "asserts",
    "setup": "",
    "tests": "assert escapes() == []",
    "entry_point": None,
    "program_names": ["escapes"],
}
_RUNS: Final = _EXAM | {"tests": "assert type(escapes()) is list"}


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str


def refusal(level: Level) -> str | None:
    """None when the level confines a program here, else why it cannot be had."""
    return _refusal(level)


@cache
def _refusal(level: Level) -> str | None:
    attempt = _attempt(level)
    if isinstance(attempt, _Refused):
        return attempt.reason
    attempt.close()
    return None


def best_level(*, unsafe: bool = False) -> Level:
    """The best level that works here; looked for once per process.

    Raises:
        VerifierError: none does, and resource limits alone were not accepted by `unsafe`.
    """
    reasons = {}
    for level in LEVELS if unsafe else LEVELS[:-1]:
        reason = _refusal(level)
        if reason is None:
            return level
        reasons[level] = reason
    found = "; ".join(f"{level}: {reason}" for level, reason in reasons.items())
    raise VerifierError(
        f"programs of a model cannot be run safely here ({found}). Install bubblewrap with: {bubblewrap_command()}. Where it is "
        "installed and refused, user namespaces are forbidden, as they are by Ubuntu's AppArmor (allow them with: sudo sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0) and in most containers (start them with --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined). The setting unsafe=true runs programs under resource limits alone: they can then "
        "read your files and use your network"
    )


def unsafe_words(verifier: str) -> str:
    """What a verifier with `unsafe` announces before it runs the first program."""
    level = best_level(unsafe=True)
    here = (
        "as here: they can read and write whatever you can" if level == LEVELS[-1] else f"here they have one: {level}"
    )
    return f"verifier {verifier}: unsafe = true runs programs of responses under resource limits alone where no sandbox works; {here}"


def open_sandbox(*, unsafe: bool = False) -> Sandbox:
    """A sandbox of the best level.

    Raises:
        VerifierError: as `best_level`. SandboxFault: the level worked before and does not now.
    """
    return Sandbox(best_level(unsafe=unsafe), bwrap=shutil.which("bwrap"))


_LOCAL = threading.local()


def thread_sandbox(*, unsafe: bool = False) -> Sandbox:
    """This thread's sandbox, opened by its first use and kept."""
    held: dict[bool, tuple[int, Sandbox]] = _LOCAL.__dict__.setdefault("held", {})
    owner, sandbox = held.get(unsafe, (0, None))
    if sandbox is None or owner != os.getpid():
        sandbox = open_sandbox(unsafe=unsafe)
        held[unsafe] = (os.getpid(), sandbox)
    return sandbox


def discard_sandbox(*, unsafe: bool = False) -> None:
    """Close this thread's sandbox, after a fault; the next use opens another."""
    held: dict[bool, tuple[int, Sandbox]] = _LOCAL.__dict__.get("held", {})
    if unsafe in held:
        held.pop(unsafe)[1].close()


def bubblewrap_command() -> str:
    """The command that installs bubblewrap with this system's package manager."""
    managers = {"apt-get": "apt-get install", "dnf": "dnf install", "pacman": "pacman -S", "apk": "apk add"}
    for manager, command in managers.items():
        if shutil.which(manager):
            return f"sudo {command} bubblewrap"
    return "the package 'bubblewrap' of your distribution (Linux only)"


def _attempt(level: Level) -> Sandbox | _Refused:
    """A sandbox that has just confined a program, or why there is none."""
    if platform.system() != "Linux":
        return _Refused(f"programs are run on Linux only, and this is {platform.system()}")
    bwrap = shutil.which("bwrap") if level == "bwrap" else None
    if level == "bwrap" and bwrap is None:
        return _Refused("bubblewrap is not installed")
    sandbox: Any = None
    try:
        sandbox = Sandbox(level, bwrap=bwrap)
        examined = sandbox.examine(_PROBE, _RUNS if level == "rlimits" else _EXAM, Limits(seconds=10))
        if examined.correct:
            confined: Sandbox = sandbox
            return confined
        why = examined.fault or "a program that tried to get out did"
    except SandboxFault as fault:
        why = str(fault)
    if sandbox is not None:
        sandbox.close()
    return _Refused((bwrap and _complaint(bwrap)) or why)


def _complaint(bwrap: str) -> str | None:
    """What bubblewrap itself says when it is asked for the namespaces it needs; None when it says nothing."""
    command = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind", "/", "/", "--", "/bin/true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"installed but does not run: {error}"
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    if any("Unknown option" in line for line in said):
        return "too old: version 0.8 or newer is needed, for --disable-userns"
    return f"installed but refused: {said[-1]}"

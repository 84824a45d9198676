"""The C++ compiler of this machine, for operators that are made where they run. No torch."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from counterpoise.errors import UsageError

__all__ = [
    "Compiled",
    "as_argument",
    "asked_for",
    "find_compiler",
    "in_parts",
    "load_library",
    "require_compiler",
    "worker_pool",
]

Compiled = bool | Literal["auto"]
"""Whether operators are compiled: always, never, or where there is a compiler that does it."""

_FLAGS = (("-march=native",), ())
"""Tried in turn: some compilers know no native machine."""
_SECONDS = 60.0
"""That a compiler may take by the clock, where a processor second is usual: one that hangs never stops a run."""
_HEADERS = Path(__file__).parent
_COMPILING = threading.Lock()
"""Two threads that begin at once compile one library."""


def find_compiler() -> str:
    """The command that `CXX` names, which may have words behind its program (`ccache g++`), else g++, else clang++; with the whole path.

    Raises:
        UsageError: it is not there.
    """
    asked = os.environ.get("CXX", "").strip()
    for name in (asked,) if asked else ("g++", "clang++"):
        if found := shutil.which(name):
            return shlex.quote(found)
    with suppress(ValueError):  # a quotation without end
        first, *more = shlex.split(asked) or [""]
        if found := shutil.which(first):
            return shlex.join([found, *more])
    raise UsageError(f"there is no {asked or 'g++ or clang++'} here; install one, or name one in CXX")


def require_compiler(setting: str) -> None:
    """See that there is a compiler, for a `setting=true`.

    Raises:
        UsageError: there is none.
    """
    try:
        find_compiler()
    except UsageError as error:
        raise asked_for(error, setting) from error


def asked_for(error: UsageError, setting: str) -> UsageError:
    """What was said of a compiler, where `setting=true` asks for one."""
    return UsageError(f"{setting}=true needs a C++ compiler, and {error}, or set {setting}=auto")


def load_library(source: Path, definitions: Sequence[str]) -> ctypes.CDLL:
    """Compile a file with `NAME=VALUE` definitions, for this very machine, and load it; nothing is left on disk.

    It may include what lies beside this module. It is compiled once in a process, and a compiler that refused is not asked again; each
    process has a folder of its own, so that any number of them may compile at once.

    Raises:
        UsageError: there is no compiler, or it refuses or takes too long, or what it made cannot be kept or loaded.
    """
    with _COMPILING:
        found = _made(source, tuple(definitions))
    if isinstance(found, str):
        raise UsageError(found)
    return found


@functools.cache
def worker_pool(threads: int) -> ThreadPoolExecutor:
    """So many threads that call a library, which lets others run meanwhile; one pool in a process."""
    return ThreadPoolExecutor(threads, thread_name_prefix="compiled")


def in_parts(count: int, threads: int, part: Callable[[int, int, int], None]) -> None:
    """Call `part(number, from, to)` for as many equal parts of 0..count as there are threads, each in one of its own."""
    if threads <= 1:
        part(0, 0, count)
        return
    cuts = [count * number // threads for number in range(threads + 1)]
    list(worker_pool(threads).map(part, range(threads), cuts, cuts[1:]))


def as_argument(value: Any) -> Any:
    """What ctypes passes: the address of a contiguous tensor on the CPU, a long of an int, null of None; anything else as it is."""
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, int):
        return ctypes.c_int64(value)
    if hasattr(value, "data_ptr"):
        assert value.is_contiguous() and value.device.type == "cpu"
        return ctypes.c_void_p(value.data_ptr())
    return value


if hasattr(os, "register_at_fork"):  # a forked child has the pools and none of their threads, and would wait for ever
    os.register_at_fork(after_in_child=worker_pool.cache_clear)


@functools.cache
def _made(source: Path, definitions: tuple[str, ...]) -> ctypes.CDLL | str:
    """The library, or why there is none."""
    try:
        return _compile(source, definitions)
    except UsageError as error:
        return str(error)


def _compile(source: Path, definitions: Sequence[str]) -> ctypes.CDLL:
    compiler, said = find_compiler(), ""
    try:
        with tempfile.TemporaryDirectory(prefix="counterpoise-") as folder:
            made = Path(folder) / "operators.so"
            for flags in _FLAGS:
                words = [
                    *shlex.split(compiler),
                    "-O3",
                    "-std=c++17",
                    *flags,
                    f"-I{_HEADERS}",
                    *(f"-D{each}" for each in definitions),
                ]
                fault = _fault([*words, "-shared", "-fPIC", str(source), "-o", str(made)], made.with_suffix(".txt"))
                if fault is None:
                    return _loaded(made, source)
                said = said or fault
    except subprocess.TimeoutExpired:
        said = f"it was not done after {_SECONDS:.0f} s"
    except OSError as error:  # no room, a folder that nothing may be run from, a file that is no program
        raise UsageError(
            f"what {compiler} makes of {source.name} cannot be used ({error}); name another folder in TMPDIR, or another compiler in CXX"
        ) from error
    raise UsageError(f"{compiler} could not compile {source.name} ({said}); name another compiler in CXX")


def _loaded(made: Path, source: Path) -> ctypes.CDLL:
    """The library, with all that its source offers.

    Raises:
        OSError: it is none, or lacks some of it.
    """
    library = ctypes.CDLL(str(made))
    for name in re.findall(r'^extern "C" \w+ (\w+)\(', source.read_text(encoding="utf-8"), re.MULTILINE):
        if not hasattr(library, name):
            raise OSError(f"it has no {name}")
    return library


def _fault(words: Sequence[str], complaints: Path) -> str | None:
    """The first line of what a compiler complains of, which is kept in a file; None where it is done.

    Raises:
        TimeoutExpired: it was not done in time, and has been ended with all that it started.
    """
    # a file and no pipe, which the compiler's children would hold open
    with complaints.open("wb") as kept:
        started = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=kept, start_new_session=True
        )
        try:
            started.wait(_SECONDS)
        except BaseException:
            with suppress(OSError, AttributeError):
                os.killpg(started.pid, signal.SIGKILL)
            started.kill()
            started.wait()
            raise
    said = complaints.read_text(encoding="utf-8", errors="replace").strip()
    return None if started.returncode == 0 else (said or "it said nothing").splitlines()[0]

"""The lock of a run directory: one process at a time, released by the system however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from counterpoise.errors import StoreError, UsageError

__all__ = ["lock_directory"]


@contextmanager
def lock_directory(directory: Path, *, marker: str, taken: str) -> Iterator[None]:
    """Hold the file `.lock` in a directory, which is made where it is missing.

    Args:
        directory: the directory.
        marker: its file without which nothing is in it yet, so that nothing stays where the lock cannot be had.
        taken: what to do where somebody else has it.

    Raises:
        UsageError: somebody else has it.
        StoreError: the lock cannot be written.
    """
    path = directory / ".lock"
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            while True:
                handle = stack.enter_context(open(path, "w", encoding="utf-8", opener=_at_once))
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A run that was withdrawn took the file with it: a lock on that one would keep nobody out.
                if path.exists() and os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
                    break
        except BlockingIOError as error:
            raise UsageError(f"{directory} is in use by another process; {taken}") from error
        except OSError as error:
            if path.is_file() and not (directory / marker).exists():
                with suppress(OSError):  # what else may be there is not ours
                    path.unlink()
                    directory.rmdir()
            raise StoreError(_cannot_lock(path, error)) from error
        yield


def _at_once(path: str, flags: int) -> int:
    # A named pipe in its place would keep the process waiting for a reader.
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _cannot_lock(path: Path, error: OSError) -> str:
    said = f"cannot lock {path}: {error.strerror or error}"
    if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
        return said
    return (
        f"{said}; the file system there has no locks, as some network disks are mounted, and without one "
        "two processes could train one run. "
        "Put the run on a local disk (run.directory=…) and copy it afterwards, or mount the file system with locks"
    )

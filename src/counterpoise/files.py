"""Files that survive a kill, and the one reader of JSON: whatever a file holds, it is read in bounded time or named as damaged.

Written: by atomic replacement, or as append-only JSON lines whose damaged lines are named and skipped. Read: regular files only (a
named pipe would wait for ever), UTF-8, no deeper than `DEPTH`, no number that cannot be held.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from counterpoise.errors import StoreError
from counterpoise.json_text import DEPTH, JsonFault, decoded, parse_json

__all__ = [
    "DEPTH",
    "Damage",
    "JsonFault",
    "append_json_lines",
    "atomic_write",
    "atomic_write_text",
    "cannot_write",
    "fsync_directory",
    "irregular",
    "json_lines",
    "numbered_json_lines",
    "open_regular",
    "parse_json",
    "parse_line",
    "read_json",
    "read_json_lines",
    "read_text",
    "why",
]

_LARGEST = 2**31
"""Bytes of one document or one line that are read at most."""
_OLD_SECONDS = 3600.0
"""Age of a temporary file from which its writer counts as dead even where another process has its number now."""
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One line of an append-only file that could not be read."""

    path: Path
    """The file."""
    line: int
    """Line number, from 1."""
    reason: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason} (line kept in the file, skipped here)"


def fsync_directory(path: Path) -> None:
    """Make a rename inside `path` durable; a no-op where directories cannot be opened or a file system does not flush them.

    Raises:
        StoreError: the disk failed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FLUSHED:
            raise StoreError(cannot_write(path, error)) from error
    finally:
        os.close(descriptor)


_NOT_FLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a temporary file beside `path`, flush it to disk, and rename it over `path`.

    A reader sees the old file or the new one, never a part. What killed writers of the same file left beside it is removed.

    Raises:
        StoreError: the disk is full or the directory cannot be written; the old file is untouched.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        beside = str(path.with_name(f".{path.name}.{os.getpid()}-{_machine()}-{secrets.token_hex(4)}.tmp"))
        # Not tempfile: its files are private, and a run directory is often read by others than its owner.
        with open(beside, "xb") as handle:
            temporary = beside
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise StoreError(cannot_write(path, error)) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    fsync_directory(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write` of one UTF-8 text."""
    atomic_write(path, lambda handle: handle.write(text.encode()))


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def append_json_lines(path: Path, records: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
    """Append records, one JSON object a line, in one write; a torn last line is closed first so nothing is glued to it.

    If the write fails half-way (full disk), the file is cut back to where it was.

    Raises:
        StoreError: the file cannot be written; what it held before is intact.
    """
    if not records:
        return
    path = Path(path)
    data = "".join(_encode(record) + "\n" for record in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: closing a buffered file would write once more, behind the cut below, what could not be written.
        with open(path, "ab+", buffering=0) as handle:
            size = handle.seek(0, os.SEEK_END)
            # A lone surrogate (a model can write one) has no UTF-8 form; it is kept as its escape.
            payload = data.encode(errors="backslashreplace")
            if size:
                handle.seek(size - 1)
                if handle.read(1) != b"\n":
                    payload = b"\n" + payload
            try:
                rest = memoryview(payload)
                while rest:
                    rest = rest[handle.write(rest) :]
                if durable:
                    os.fsync(handle.fileno())
            except OSError:
                os.ftruncate(handle.fileno(), size)
                raise
    except OSError as error:
        raise StoreError(cannot_write(path, error)) from error


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file to read its bytes; never waits.

    Raises:
        OSError: there is none, it cannot be read, or it is a directory, a pipe or a device; `strerror` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if (kind := irregular(descriptor)) is not None:
            raise OSError(errno.EINVAL, f"{kind}; write what it gives to a file first", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def irregular(path: str | Path | int) -> str | None:
    """`a named pipe, not a regular file`, or what else is there that must not be opened; None for files and directories, or nothing."""
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        return next((f"{words}, not a regular file" for test, words in _KINDS if test(mode)), None)
    return None


def read_text(path: str | Path) -> str:
    """A regular file as UTF-8 text.

    Raises:
        OSError: see `open_regular`; larger than 2 GiB.
        Fault: it is not UTF-8.
    """
    with open_regular(path) as handle:
        if os.fstat(handle.fileno()).st_size > _LARGEST:
            raise OSError(errno.EFBIG, f"more than {_LARGEST} bytes", str(path))
        return decoded(handle.read())


def read_json(path: str | Path) -> dict[str, Any]:
    """One JSON document, which is an object; `parse_json` says what is accepted, and no number may be NaN or infinite.

    Raises:
        OSError: see `read_text`.
        Fault: it is not such a document.
    """
    return _object(parse_json(read_text(path), finite=True))


def json_lines(path: str | Path, *, large_integers: bool = False) -> Iterator[tuple[int, dict[str, Any] | JsonFault]]:
    """(line from 1, its object, or what is wrong with it) of each line that is not blank, as the file is read.

    Raises:
        OSError: see `open_regular`.
    """
    with open_regular(path) as handle:
        number = 0
        while raw := handle.readline(_LARGEST):
            number += 1
            if len(raw) == _LARGEST and not raw.endswith(b"\n"):
                while (rest := handle.readline(_LARGEST)) and not rest.endswith(b"\n"):
                    pass
                yield number, JsonFault(f"a line of more than {_LARGEST} bytes")
                continue
            if raw.strip():
                yield number, parse_line(raw, large_integers=large_integers)


def parse_line(raw: bytes, *, large_integers: bool = False) -> dict[str, Any] | JsonFault:
    """The object of one line, or what is wrong with it."""
    try:
        return _object(parse_json(raw, large_integers=large_integers))
    except JsonFault as fault:
        fault.torn = not raw.endswith(b"\n")
        return fault


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JsonFault(f"a JSON {type(value).__name__}, not an object")
    return value


def read_json_lines(path: Path, *, on_damage: Callable[[Damage], None]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an append-only file in order; a line that is not a JSON object goes to `on_damage` and is skipped.

    Raises:
        OSError: see `open_regular`.
    """
    return (record for _, record in numbered_json_lines(path, on_damage=on_damage))


def numbered_json_lines(path: Path, *, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """`read_json_lines`, each object with its line from 1."""
    for number, found in json_lines(path):
        if isinstance(found, JsonFault):
            torn = " (torn by a kill while writing)" if found.torn else ""
            on_damage(Damage(path=Path(path), line=number, reason=f"{found}{torn}"))
        else:
            yield number, found


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files beside `path` whose writers are gone; another process that writes it now keeps its own."""
    name = re.compile(re.escape(f".{path.name}.") + r"([0-9]+)-(?:([0-9a-f]{8})-)?[0-9a-f]{8}\.tmp")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            found = name.fullmatch(entry.name)
            if found is None:
                continue
            # A process number means something only where it was given; elsewhere the age has to do.
            dead = found[2] == _machine() and not _alive(int(found[1]))
            if dead or time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_SECONDS:
                Path(entry.path).unlink(missing_ok=True)


@cache
def _machine() -> str:
    """A name of this machine since its start and, in a container, of its own numbering of processes."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=4).hexdigest()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def why(error: Exception) -> str:
    """What an error of reading says, without the number and the path that an OSError repeats."""
    return str(getattr(error, "strerror", None) or error)


def cannot_write(path: Path, error: OSError) -> str:
    """The message of a `StoreError`: what could not be written, why, and what to do."""
    if error.errno == errno.ENOSPC:
        return f"cannot write {path}: no space left on the device; free some and run the same command again, it resumes"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write {path}: permission denied; choose a directory you may write to"
    return f"cannot write {path}: {error.strerror or error}"

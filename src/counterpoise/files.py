"""Files that survive a kill: atomic replacement, and append-only JSON lines whose damaged lines are named and skipped."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from counterpoise.errors import StoreError

__all__ = [
    "Damage",
    "append_json_lines",
    "atomic_write",
    "atomic_write_text",
    "cannot_write",
    "fsync_directory",
    "read_json_lines",
]


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
    """Make a rename inside `path` durable; a no-op where directories cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a temporary file beside `path`, flush it to disk, and rename it over `path`.

    A reader sees the old file or the new one, never a part.

    Raises:
        StoreError: the disk is full or the directory cannot be written; the old file is untouched.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = str(path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"))
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


def append_json_lines(path: Path, records: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
    """Append records, one JSON object a line, in one write; a torn last line is closed first so nothing is glued to it.

    If the write fails half-way (full disk), the file is cut back to where it was.

    Raises:
        StoreError: the file cannot be written; what it held before is intact.
    """
    if not records:
        return
    path = Path(path)
    data = "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)
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


def read_json_lines(path: Path, *, on_damage: Callable[[Damage], None]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an append-only file in order; a line that is no JSON object goes to `on_damage` and is skipped."""
    with open(path, "rb") as handle:
        for number, raw in enumerate(handle, start=1):
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.decode())
            except (ValueError, RecursionError) as error:
                torn = " (torn by a kill while writing)" if not raw.endswith(b"\n") else ""
                on_damage(Damage(path=Path(path), line=number, reason=f"not JSON: {error}{torn}"))
                continue
            if not isinstance(record, dict):
                on_damage(Damage(path=Path(path), line=number, reason=f"a JSON {type(record).__name__}, not an object"))
                continue
            yield record


def cannot_write(path: Path, error: OSError) -> str:
    """The message of a `StoreError`: what could not be written, why, and what to do."""
    if error.errno == errno.ENOSPC:
        return f"cannot write {path}: no space left on the device; free some and run the same command again, it resumes"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write {path}: permission denied; choose a directory you may write to"
    return f"cannot write {path}: {error.strerror or error}"

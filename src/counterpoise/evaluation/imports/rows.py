"""Rows of a JSON-lines or Parquet file, one after the other, whatever tool wrote it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from counterpoise.errors import DataError, MissingExtraError, error_line
from counterpoise.files import Damage, JsonFault, json_lines, open_regular

__all__ = ["digest", "rows"]

_AT_ONCE = 512


def digest(path: Path) -> str:
    """blake2b-128 of the file's content.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with open_regular(path) as handle:
            return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; give a file or a directory") from error


def rows(path: Path, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line or row from 1, fields); a line that is not a JSON object goes to `on_damage`.

    Raises:
        DataError: the file cannot be read. MissingExtraError: a Parquet file, and `pyarrow` is not installed.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path)
        return
    try:
        for number, fields in json_lines(path, large_integers=True):
            if isinstance(fields, JsonFault):
                on_damage(Damage(path=path, line=number, reason=str(fields)))
            else:
                yield number, fields
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; give a file or a directory") from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="parquet", purpose=f"reading {path}") from error
    row = 0
    try:
        with open_regular(path) as handle, parquet.ParquetFile(handle) as file:
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for fields in batch.to_pylist():
                    row += 1
                    yield row, fields
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error_line(error)}); copy it again") from error

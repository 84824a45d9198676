"""The files of a folder of data: which of them are read, and for which side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from counterpoise.errors import DataError

__all__ = ["files_of"]

_KINDS: Final = ((".parquet",), (".jsonl", ".ndjson"))
_SPLIT: Final = re.compile(r"(train|test|validation|valid|val|dev|eval)(?:[-_.].*)?")
"""How the hub names the files of a split: `train-00000-of-00002.parquet`."""
_SHOWN: Final = 8


def files_of(folder: Path, *, side: str | None) -> list[Path]:
    """The Parquet files of a folder, or else its JSON lines, in the order of their names; what lies in folders within is not looked at.

    Where all names begin with the split that they belong to, and there are several, those of the side are read.

    Args:
        folder: where.
        side: `train` or `test`; None reads all for both.

    Raises:
        DataError: there is none, there are both kinds, or none is of the side.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    kinds = [[entry for entry in entries if entry.suffix in suffixes and not entry.is_dir()] for suffixes in _KINDS]
    if all(kinds):
        raise DataError(
            f"{folder} holds Parquet files and JSON lines ({kinds[0][0].name}, {kinds[1][0].name}); give a folder of one kind"
        )
    files = kinds[0] or kinds[1]
    if not files:
        names = ", ".join(entry.name for entry in entries[:_SHOWN]) + (", …" if len(entries) > _SHOWN else "")
        raise DataError(
            f"{folder} holds no .parquet or .jsonl file, only: {names or 'nothing'}; give the folder that holds them"
        )
    splits = [match[1] if (match := _SPLIT.fullmatch(file.stem)) else None for file in files]
    if side is None or None in splits or len(set(splits)) == 1:
        return files
    chosen = [file for file, split in zip(files, splits, strict=True) if split == side]
    if not chosen:
        raise DataError(
            f"{folder} has no {side} file, only: {', '.join(file.name for file in files[:_SHOWN])}; give one of them as {side}=FILE"
        )
    return chosen

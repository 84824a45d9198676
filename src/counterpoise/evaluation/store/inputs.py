"""SHA-256 of the files behind a figure, so that two results can be checked to come from the same numbers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from counterpoise.errors import DataError
from counterpoise.files import open_regular

__all__ = ["hashes_of"]

_OF_EVALUATION = ("problems.jsonl", "passk.json", "manifest.json")
"""Files of an evaluation that decide its counts and how they were drawn."""


def hashes_of(path: Path) -> dict[str, str]:
    """SHA-256, in hexadecimal, of a file of counts, or of the files of an evaluation that a comparison reads, by their names.

    Raises:
        DataError: a file cannot be read.
    """
    path = Path(path)
    files = [path / name for name in _OF_EVALUATION if (path / name).is_file()] if path.is_dir() else [path]
    found = {}
    for file in files:
        try:
            with open_regular(file) as handle:
                found[file.name] = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror or error}") from error
    return found

"""The code of parts that are not ours, as a run keeps it: hashes that are compared when it goes on, and copies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise.config.parts import sources_in
from counterpoise.errors import ConfigError
from counterpoise.files import atomic_write
from counterpoise.plugins import SourceCode

__all__ = ["FOLDER", "keep_copies", "same_parts", "where_kept"]

FOLDER = "parts"
"""Folder of the copies in a run."""


def same_parts(
    before: Mapping[str, str], now: Mapping[str, SourceCode], *, where: Path, besides: str = "", also: str = ""
) -> None:
    """Compare the code of parts that are not ours with what the run was begun with; nothing is imported.

    Args:
        before: SHA-256 of the code of each part.
        now: the code as it is.
        where: the run's directory.
        besides: kind of part that is not compared, because the command line names it anew.
        also: a further way out, as a sentence.

    Raises:
        ConfigError: naming the part, both hashes, and the way out.
    """
    for name, sha256 in before.items():
        source = now.get(name)
        if source is None or source.sha256 == sha256 or name.partition(" ")[0] == besides:
            continue
        copy = where / FOLDER / source.copy_name
        kept = f" (cp {copy} {source.path})" if copy.is_file() else ""
        raise ConfigError(
            f"{where}: {source.path} is not the code that this run was begun with: its sha256 is {source.version} and was {sha256[:12]}, "
            f"for {name}. Put the old code back{kept}, {f'{also}, ' if also else ''}or start a new run"
        )


def where_kept(run: Path, path: str) -> str:
    """What a message says of the run's own copy of a file that is gone; empty where there is none."""
    copy = run / FOLDER / Path(path).name
    return f" (the run's own copy of it is {copy})" if copy.is_file() else ""


def keep_copies(run: Path, tables: Mapping[str, Any]) -> None:
    """Write a copy of the code of each part that is not ours.

    Raises:
        ConfigError: it cannot be read. StoreError: the copy cannot be written.
    """
    for source in sources_in(tables).values():
        copy, code = run / FOLDER / source.copy_name, source.code
        if not copy.is_file() or copy.read_bytes() != code:
            copy.parent.mkdir(exist_ok=True)
            atomic_write(copy, lambda handle, code=code: handle.write(code))  # type: ignore[misc]

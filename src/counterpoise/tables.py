"""TOML files as tables: reading one, putting changes over it, and `extends`, by which a run file starts from others."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from counterpoise.config.paths import anchor
from counterpoise.errors import ConfigError
from counterpoise.files import read_text

__all__ = ["EXTENDS", "anchored", "copied", "extended", "merge_tables", "read_run_tables", "read_tables"]

EXTENDS: Final = "extends"
"""Top-level key of a run file: the file, or the list of files, that it starts from; relative to the file itself."""

_OTHER_KINDS: Final = {
    ".yaml": "YAML",
    ".yml": "YAML",
    ".json": "JSON",
    ".py": "Python",
    ".ini": "INI",
    ".jsonl": "JSON lines",
}


def read_tables(path: Path, what: str = "the run file", *, reason: str = "") -> dict[str, Any]:
    """The tables of one TOML file, as written; `what` it is and the `reason` why it is read stand around its name in a message.

    Raises:
        ConfigError: the file is missing or not valid TOML.
    """
    try:
        tables = tomllib.loads(read_text(path))
        copied(tables)  # a dotted key nests without the parser's own recursion
        return tables
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}{reason}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        kind = _OTHER_KINDS.get(Path(path).suffix.lower())
        meant = f"; its name says {kind}, and run files are TOML: section.key = value under [section]" if kind else ""
        raise ConfigError(f"{path} is not valid TOML: {error}{meant}") from error


def read_run_tables(path: Path) -> dict[str, Any]:
    """The tables of a run file over those that it extends.

    Raises:
        ConfigError: as `read_tables` and `extended`.
    """
    return extended(read_tables(path), path)


def extended(tables: Mapping[str, Any], path: Path, *, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Tables read from `path` over those of the files that they extend: later files over earlier ones, and `tables` over all.

    A file that is extended may extend others; one may be reached twice, but not from itself. The key does not stand in the result.

    Args:
        tables: with or without `extends`.
        path: the file that they stand in; the names are relative to it.
        below: the files that led here, the first one first.

    Raises:
        ConfigError: a file is missing or not valid TOML, `extends` is not a name, or the files extend each other in a circle.
    """
    below = (*below, Path(path))
    own = anchored(tables, below[-1].parent, source=str(path))
    named = own.pop(EXTENDS, [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) and name and "\0" not in name for name in names):
        raise ConfigError(
            f'{path}: {EXTENDS} is {named!r}; expected a file or a list of files, e.g. {EXTENDS} = "base.toml"'
        )
    started: dict[str, Any] = {}
    for name in names:
        base = below[-1].parent / name
        if base.resolve() in [earlier.resolve() for earlier in below]:
            circle = " extends ".join(map(str, (*below, base)))
            raise ConfigError(f"{circle}: a run file cannot start from itself; drop one '{EXTENDS}'")
        read = read_tables(base, reason=f", which {below[-1]} extends")
        started = merge_tables(started, extended(read, base, below=below))
    return merge_tables(started, own)


def anchored(tables: Mapping[str, Any], base: Path, *, source: str = "") -> dict[str, Any]:
    """A copy of these tables in which every path is taken from the directory `base` (`config.paths.anchor`)."""
    copy: dict[str, Any] = copied(tables)
    anchor(copy, base, source=source)
    return copy


def copied(tables: Any) -> Any:
    """Tables and lists copied all the way down, values as they are."""
    if isinstance(tables, Mapping):
        return {key: copied(value) for key, value in tables.items()}
    return [copied(value) for value in tables] if isinstance(tables, list) else tables


def merge_tables(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `tables`, key by key in each section; a table inside a section (`credit.settings`) is replaced as a whole."""
    merged = {section: dict(table) if isinstance(table, Mapping) else table for section, table in tables.items()}
    for section, table in changes.items():
        if isinstance(table, Mapping) and isinstance(merged.get(section), dict):
            merged[section].update(table)
        else:
            merged[section] = dict(table) if isinstance(table, Mapping) else table
    return merged

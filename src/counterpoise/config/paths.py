"""Which settings of a run file are paths, and what a relative one is relative to.

A path that stands in a file follows that file; one that was typed on the command line follows the current directory. A run directory
keeps absolute ones, so that it can be continued from anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from counterpoise.config.parts import NamedPart, parts_in
from counterpoise.config.prompt import FROM_FILE, TEXTS
from counterpoise.errors import ConfigError
from counterpoise.plugins import ImportPath, is_reference
from counterpoise.ranges import ON_HUB
from counterpoise.targets import policy_of

__all__ = ["PACKAGED", "PathPlace", "anchor", "is_path_key", "missing", "paths_in", "relocate"]

PACKAGED = ("lab", "smollm2")
"""Packaged models, up to the colon: names, whatever directories there are."""

PathKind = Literal["input", "model", "made"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPlace:
    """A setting that holds a path."""

    key: str
    """Its dotted name, e.g. `tasks.settings.path`."""
    kind: PathKind
    """`input` must exist, `model` may be a name instead, `made` is written by us."""
    table: MutableMapping[str, Any]
    """The table it stands in."""
    before: str = ""
    """What stands in front of the path in its value, e.g. `file:`."""

    @property
    def name(self) -> str:
        """Its name in that table."""
        return self.key.rpartition(".")[2]

    @property
    def value(self) -> str:
        """The path as it is written."""
        return str(self.table[self.name]).removeprefix(self.before)

    def put(self, path: str | Path) -> None:
        """Write another path in its place."""
        self.table[self.name] = f"{self.before}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartPlace:
    """The file of an import path: `./rewards.py` in `./rewards.py:check`."""

    part: NamedPart
    kind: PathKind = "input"

    @property
    def key(self) -> str:
        return self.part.key

    @property
    def value(self) -> str:
        return ImportPath.parse(self.part.name).place

    def put(self, path: str | Path) -> None:
        self.part.put(str(replace(ImportPath.parse(self.part.name), place=str(path))))


def paths_in(tables: Mapping[str, Any]) -> Iterator[PathPlace | _PartPlace]:
    """Every path that these sections of a run file set; tables of the wrong shape are passed over, the schema has words for them.

    They are `run.directory`, a `model.name`, `tasks.train`, `tasks.test`, whatever a task or a verifier declares as a `Path`, the same in
    the sources of a mixture, `prompt.shots`, and texts of `[prompt]` that begin with `file:`, and the files of
    import paths to parts. A data set of the hub, `hub:NAME`, is none.

    Raises:
        ConfigError: the name of a part is written as an import path, and is none.
    """
    for part in parts_in(tables):
        if is_reference(part.name) and not part.name.startswith(ON_HUB) and ImportPath.parse(part.name).is_file:
            yield _PartPlace(part=part)
    tasks, settings = _table(tables, "tasks"), _table(_table(tables, "tasks"), "settings")
    yield from _set(_table(tables, "run"), "run", ("directory",), "made")
    yield from _set(_table(tables, "model"), "model", ("name",), "model")
    yield from _set(tasks, "tasks", ("train", "test"), "input")
    # The registries are imported for what is set alone: most run files name no path of a verifier.
    yield from _set(settings, "tasks.settings", _of_task(tasks.get("name")) if settings else (), "input")
    prompt = _table(tables, "prompt")
    yield from _set(prompt, "prompt", ("shots",), "input")
    for name in TEXTS:
        value = prompt.get(name)
        if isinstance(prompt, MutableMapping) and isinstance(value, str) and value.startswith(FROM_FILE):
            yield PathPlace(key=f"prompt.{name}", kind="input", table=prompt, before=FROM_FILE)
    sources = settings.get("sources")
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, MutableMapping):
            yield from _set(source, f"tasks.settings.sources.{number}", _of_task(source.get("name")), "input")
    settings = _table(_table(tables, "verification"), "settings")
    for verifier in settings:
        names = _of_verifier(verifier)
        yield from _set(_table(settings, verifier), f"verification.settings.{verifier}", names, "made")


def is_path_key(key: str) -> bool:
    """Whether a dotted name is one that `paths_in` may give (sources of a mixture count as `tasks.settings.sources.NUMBER.NAME`)."""
    section, _, name = key.rpartition(".")
    if key in ("run.directory", "model.name", "tasks.train", "tasks.test"):
        return True
    if section.startswith("verification.settings."):
        return name in _of_verifier(section.removeprefix("verification.settings."))
    return (section == "tasks.settings" or section.startswith("tasks.settings.sources.")) and name in _of_tasks()


def anchor(tables: Mapping[str, Any], base: Path, *, source: str = "") -> None:
    """Make every path absolute, in place: relative ones are relative to `base`, `~` is the home directory.

    A model that is neither written as a path nor a directory in `base` is left as it is: it is a name. `RUN@STEP` becomes the directory of
    that checkpoint.

    Args:
        tables: sections of a run file.
        base: directory that relative paths follow.
        source: the file they stand in, for the message; empty where they were typed, so that there is no other place to look for them.

    Raises:
        ConfigError: there is no such file in `base`, and there is one in the current directory; or a path cannot be one.
        ModelError: a run has no such checkpoint.
    """
    base, here = Path(os.path.abspath(base)), Path.cwd()
    for place in paths_in(tables):
        found, other = _under(base, place), _under(here, place)
        if place.kind == "model":
            if place.value.partition(":")[0] in PACKAGED:
                continue
            written = place.value.startswith(("/", "./", "../", "~"))
            if not (written or _is_model(found) or (source and _is_model(other))):
                continue
        if source and place.kind != "made" and not _is_there(found) and _is_there(other):
            raise ConfigError(
                f"{source}: {place.key}={place.value} is not at {found}, and there is one in the current directory, {other}. A path in a "
                f"run file is relative to the file: write {os.path.relpath(other, base)} there, or give the setting on the command line: "
                f"{place.key}={place.value}"
            )
        place.put((policy_of(str(found)) if place.kind == "model" else None) or found)


def relocate(tables: Mapping[str, Any], home: Path) -> None:
    """Find what the configuration of a run names, in place, where the run directory is `home` now.

    An absolute path that is gone is looked for where it was relative to the run, so that a folder that holds run and data can be moved as
    a whole. A relative one, as earlier versions kept them, is relative to where that run was started. `run.directory` becomes where the
    run is now, so that the folder can be moved once more; the name, which its evaluations know, stays.
    """
    home, section = Path(os.path.abspath(home)), _table(tables, "run")
    parent, name = str(section.get("directory", "runs")), str(section.get("name", "run"))
    stored = Path(parent) / name
    # A run in runs/NAME was started two directories above it.
    known = not stored.is_absolute() and home.parts[-len(stored.parts) :] == stored.parts
    begun = home.parents[len(stored.parts) - 1] if known else Path.cwd()
    former = stored if stored.is_absolute() else begun / stored
    for place in paths_in(tables):
        if place.key == "run.directory":
            continue
        named = _under(begun, place)
        moved = Path(os.path.abspath(home / os.path.relpath(named, former)))
        places = [path for path in (named, moved, _under(Path.cwd(), place)) if os.path.exists(path)]
        if place.kind == "model":
            packaged = place.value.partition(":")[0] in PACKAGED
            places = [] if packaged else [path for path in places if _is_model(path)]
        if places and place.kind != "made":
            place.put(places[0])
        elif place.kind != "model":
            place.put(named)
    parts = Path(name).parts  # earlier versions took names of several
    plain = bool(parts) and ".." not in parts and not Path(name).is_absolute()
    if plain and isinstance(section, MutableMapping) and len(parts) <= len(home.parents):
        section["directory"] = str(home.parents[len(parts) - 1])


def missing(tables: Mapping[str, Any]) -> list[PathPlace | _PartPlace]:
    """Paths of files and models that are not there."""
    return [
        place
        for place in paths_in(tables)
        if place.kind != "made" and os.path.isabs(place.value) and not os.path.exists(place.value)
    ]


def _is_model(path: str | Path) -> bool:
    gguf = str(path).lower().endswith(".gguf") and os.path.isfile(path)
    return os.path.isdir(path) or gguf or policy_of(str(path)) is not None


def _is_there(path: Path) -> bool:
    return os.path.exists(path) or policy_of(str(path)) is not None


def _set(table: Mapping[str, Any], section: str, names: tuple[str, ...], kind: PathKind) -> Iterator[PathPlace]:
    for name in names:
        value = table.get(name)
        # The word for "not set" in TOML, and the empty text, name no file.
        named = isinstance(value, (str, Path)) and str(value) not in ("", "none") and not str(value).startswith(ON_HUB)
        if isinstance(table, MutableMapping) and named:
            yield PathPlace(key=f"{section}.{name}", kind=kind, table=table)


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tables.get(name)
    return found if isinstance(found, Mapping) else {}


def _under(base: Path, place: PathPlace | _PartPlace) -> Path:
    if "\0" in place.value:
        raise ConfigError(f"{place.key}={place.value!r} holds a NUL character, so it is not a path")
    try:
        path = Path(place.value).expanduser()
    except RuntimeError:  # the home directory of nobody
        path = Path(place.value)
    return Path(os.path.abspath(base / path))


# Imported where they are used, and of our own the one that is named alone: all of them take long.


def _of_task(name: object) -> tuple[str, ...]:
    from counterpoise.tasks.registry import TASKS

    make = TASKS.get(name) if isinstance(name, str) else None
    return _of_tasks() if make is None else _declared(make)


@cache
def _of_tasks() -> tuple[str, ...]:
    from counterpoise.tasks.registry import TASKS

    return tuple(sorted({name for task in TASKS.values() for name in _declared(task)}))


@cache
def _of_verifier(name: str) -> tuple[str, ...]:
    from counterpoise.verifiers.registry import VERIFIERS

    make = VERIFIERS.get(name)
    return () if make is None else _declared(make)


@cache
def _declared(make: Callable[..., object]) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(make).items() if Path in get_args(hint))

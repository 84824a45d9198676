"""Which settings of a run file name a part, and the code behind those that are not ours.

A part is a rule, verifier, reward, controller, …; a name that is an import path to a file is a path, too, and follows the run file as
other paths do (`config.paths`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any, Final

from counterpoise.errors import ConfigError
from counterpoise.plugins import SourceCode, portable, source_of

__all__ = ["NamedPart", "parts_in", "portable_parts", "sources_in"]

_PLACES: Final = (
    ("credit", "rule", "rule"),
    ("credit", "reward", "reward"),
    ("credit", "emphasis", "emphasis"),
    ("credit", "token_weights", "token_weights"),
    ("credit", "controller", "controller"),
    ("loss", "name", "loss"),
    ("prompt", "template", "template"),
    ("tasks", "name", "task"),
)
"""Section, setting, kind of part."""

_OF_TASKS: Final = (("verifier", "verifier"), ("template", "template"))
"""Settings of a task that name a part, and its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPart:
    """A setting that names a part."""

    key: str
    """Its dotted name, e.g. `tasks.settings.verifier`."""
    kind: str
    """Kind of part, e.g. `verifier`."""
    table: Any
    """Table or list that it stands in."""
    at: str | int
    """Its place there; the name itself, where the table has a key for each part."""
    is_key: bool = False
    """Whether the name is the key of its settings."""

    @property
    def name(self) -> str:
        """What is named."""
        return str(self.at) if self.is_key else str(self.table[self.at])

    def put(self, name: str) -> None:
        """Write another name in its place."""
        if not self.is_key:
            self.table[self.at] = name
        elif name != self.at:
            self.table[name] = self.table.pop(self.at)


def parts_in(tables: Mapping[str, Any]) -> Iterator[NamedPart]:
    """Every part that these sections of a run file name; tables of the wrong shape are passed over, the schema has words for them."""
    for section, name, kind in _PLACES:
        yield from _named(tables.get(section), section, name, kind)
    tasks = tables.get("tasks")
    settings = tasks.get("settings") if isinstance(tasks, Mapping) else None
    if isinstance(settings, Mapping):
        for name, kind in _OF_TASKS:
            yield from _named(settings, "tasks.settings", name, kind)
        sources = settings.get("sources")
        for number, source in enumerate(sources if isinstance(sources, list) else ()):
            for name, kind in (("name", "task"), *_OF_TASKS):
                yield from _named(source, f"tasks.settings.sources.{number}", name, kind)
    guards = tables.get("guards")
    names = guards.get("names") if isinstance(guards, Mapping) else None
    for number, one in enumerate(names if isinstance(names, MutableSequence) else ()):
        if isinstance(one, str):
            yield NamedPart(key="guards.names", kind="guard", table=names, at=number)
    for section, kind in (("verification", "verifier"), ("guards", "guard")):
        table = tables.get(section)
        settings = table.get("settings") if isinstance(table, Mapping) else None
        if isinstance(settings, MutableMapping):
            for one in list(settings):
                yield NamedPart(key=f"{section}.settings", kind=kind, table=settings, at=one, is_key=True)


def portable_parts(tables: Mapping[str, Any]) -> None:
    """Take the folders off every import path to a file, in place: what a run is does not depend on where its parts lie."""
    for part in parts_in(tables):
        part.put(portable(part.name))


def sources_in(tables: Mapping[str, Any]) -> dict[str, SourceCode]:
    """The code of every part that is not ours, read and not imported, by kind and name without folders, e.g. `verifier rewards.py:check`.

    Raises:
        ConfigError: one cannot be read, or two files have one name, by which a run would keep them.
    """
    found: dict[str, SourceCode] = {}
    files: dict[str, SourceCode] = {}
    for part in parts_in(tables):
        if part.kind == "verifier":  # imported only where one is named; its own names come before those of packages
            pass
        source = source_of(part.kind, part.name)
        if source is None:
            continue
        other = files.setdefault(source.copy_name, source)
        if other.path != source.path:
            raise ConfigError(
                f"{part.key}: two files are called {source.copy_name}, {other.path} and {source.path}; rename one of them"
            )
        found[f"{part.kind} {portable(part.name)}"] = source
    return found


def _named(table: object, section: str, name: str, kind: str) -> Iterator[NamedPart]:
    if isinstance(table, MutableMapping) and isinstance(table.get(name), str):
        yield NamedPart(key=f"{section}.{name}", kind=kind, table=table, at=name)

"""A registry that knows more than its own names: those that packages add, and import paths."""

from __future__ import annotations

import os
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from counterpoise.errors import ConfigError
from counterpoise.plugins.adopt import Shape
from counterpoise.plugins.reference import ImportPath, is_reference, portable
from counterpoise.plugins.source import ForeignPart, SourceCode, import_part, read_source

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Parts", "is_plugin", "known_as", "source_of"]

GROUP: Final = "counterpoise.plugins"
"""Entry-point group; a name in it is `rule.hopeful`, its object `my_pkg.rules:Hopeful`."""

T = TypeVar("T")

_own: Final[dict[str, Parts[Any]]] = {}
_files: Final[dict[str, str]] = {}
"""Absolute file of a path without folders, of those that `known_as` was asked for."""


class Parts(dict[str, T]):
    """Parts of one kind by name, a dict of ours; looking up any other name finds what packages and import paths name.

    It is iterated over without those, since they are many or not known. One of ours that is given as `module:Name` is imported when it
    is asked for.
    """

    def __init__(
        self,
        kind: str,
        own: Mapping[str, T | str],
        adopt: Shape | Callable[[ForeignPart], T],
        *,
        message: str | None = None,
    ) -> None:
        """Name them.

        Args:
            kind: `rule`, `verifier`, …: the first part of a plugin's name.
            own: ours, or where they are.
            adopt: makes a part of what a path leads to, and refuses what is none; a `Shape` takes classes and functions.
            message: what messages call the kind, where that is another word.
        """
        super().__init__(own)  # type: ignore[arg-type]
        self.kind = kind
        said = message or kind
        self._adopt: Callable[[ForeignPart], Any] = (
            (lambda loaded: adopt.adopt(said, loaded)) if isinstance(adopt, Shape) else adopt
        )
        self._adopted: dict[tuple[str, str], T] = {}
        _own[kind] = self

    def __contains__(self, name: object) -> bool:
        """Whether a look-up finds a part or says why it does not."""
        return super().__contains__(name) or (isinstance(name, str) and _reference(self.kind, name) is not None)

    def __getitem__(self, name: str) -> T:
        found = super().__getitem__(name)
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            self[name] = found = getattr(import_module(module), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        # A dict that is made of one goes by this and not by what is stored.
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """One of ours; `default` for any other name."""
        return self[name] if dict.__contains__(self, name) else default

    def items(self) -> ItemsView[str, T]:  # type: ignore[override]
        """Ours, imported."""
        return ItemsView(self)

    def values(self) -> ValuesView[T]:  # type: ignore[override]
        """Ours, imported."""
        return ValuesView(self)

    def __missing__(self, name: str) -> T:
        """Import what is named.

        Raises:
            KeyError: it is not a name at all.
            ConfigError: what is named cannot be imported, or is not such a part.
        """
        reference = _reference(self.kind, name)
        if reference is None:
            raise KeyError(name)
        loaded = import_part(reference)
        key = (str(loaded.reference), loaded.source.sha256)
        if key not in self._adopted:
            self._adopted[key] = self._adopt(loaded)
        return self._adopted[key]

    def known(self) -> Iterator[str]:
        """Every name that is known: ours, and those of packages."""
        yield from self
        yield from self.added()

    def added(self) -> dict[str, str]:
        """Names that packages add, with the import path behind each; nothing is imported."""
        return {
            name: one.value for name, one in _plugins().get(self.kind, {}).items() if not dict.__contains__(self, name)
        }


def is_plugin(kind: str, name: str) -> bool:
    """Whether a name is an import path, or one that a package adds; nothing is imported.

    Raises:
        ConfigError: it is written as an import path and is none.
    """
    registry = _own.get(kind)
    return not (registry is not None and dict.__contains__(registry, name)) and _reference(kind, name) is not None


def source_of(kind: str, name: str) -> SourceCode | None:
    """The code of a part that is not ours, read and not imported; None for one of ours, and for a name that nobody has.

    Raises:
        ConfigError: it cannot be found or read.
    """
    reference = _reference(kind, name) if is_plugin(kind, name) else None
    return None if reference is None else read_source(reference)


def known_as(name: str) -> str:
    """The name of a part without folders, as stores and pages have it: `rewards.py:check`; from now on it means that file.

    Raises:
        ConfigError: it is written as an import path and is none.
    """
    if not is_reference(name):
        return name
    short = portable(name)
    reference = ImportPath.parse(name)
    if reference.is_file and name != short:
        _files[short] = os.path.abspath(os.path.expanduser(reference.place))
    return short


def _reference(kind: str, name: str) -> ImportPath | None:
    if is_reference(name):
        reference = ImportPath.parse(name)
        return replace(reference, place=_files[name]) if name in _files else reference
    plugin = _plugins().get(kind, {}).get(name)
    if plugin is None:
        return None
    if not plugin.attr:
        raise ConfigError(
            f"the package that adds {kind} '{name}' names no object (entry point {plugin.name} = {plugin.value!r}); tell its makers"
        )
    return ImportPath(place=plugin.module, attribute=plugin.attr)


@cache
def _plugins() -> Mapping[str, Mapping[str, EntryPoint]]:
    """The names that installed packages add, by kind: one look through all of them."""
    from importlib.metadata import entry_points

    found: dict[str, dict[str, EntryPoint]] = {}
    for one in entry_points(group=GROUP):
        kind, _, name = one.name.partition(".")
        found.setdefault(kind, {})[name] = one
    return found

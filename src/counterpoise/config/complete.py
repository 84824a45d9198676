"""What can stand next in `key=value` on a command line: keys of the run file, then names and values behind `=`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from counterpoise.config.catalogue import CATALOGUE
from counterpoise.config.describe import MISSING, Key, keys_of, sections, settings_of, toml_value
from counterpoise.config.run import RunConfig
from counterpoise.config.schema import PLACES, Place
from counterpoise.errors import ConfigError

__all__ = ["complete_override", "complete_setting"]

_NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})


def complete_override(
    incomplete: str, before: Sequence[str] = (), *, also: Mapping[str, Sequence[str]] = _NOTHING
) -> list[str]:
    """Words that begin like `incomplete`, as a shell expects them.

    Keys end in `=`; a key that stands alone comes with its values, so that a shell adds no space behind `=`. Shells that split words at
    `=` (bash) hand over the value alone: `before` then ends in the key, with or without the `=`.

    Args:
        incomplete: what was typed of the word; empty for nothing.
        before: the words before it, in their order: run files, runs, overrides.
        also: names that stand behind a key and in no registry of ours that can be read here.
    """
    words = list(before)
    if words[-1:] == ["="]:
        words.pop()
    if words and _is_key(words[-1]):
        return [value for value in _values(words[-1], words[:-1], also) if value.startswith(incomplete)]
    key, equals, _ = incomplete.partition("=")
    if equals:
        return [word for word in (f"{key}={one}" for one in _values(key, words, also)) if word.startswith(incomplete)]
    found = [f"{section}." for section in RunConfig.model_fields if f"{section}.".startswith(incomplete)]
    if "." in incomplete or len(found) == 1:
        found = _keys(found[0] if "." not in incomplete else incomplete, words)
    if len(found) == 1 and found[0].endswith("="):
        found += [f"{found[0]}{value}" for value in _values(found[0][:-1], words, also)]
    return found


def complete_setting(part: Any, incomplete: str) -> list[str]:
    """`key=` and its values for the settings of one part, e.g. of a task, where no section stands before them."""
    keys = {key.name: key for key in settings_of(part)}
    name, equals, _ = incomplete.partition("=")
    found = [f"{name}={value}" for value in _examples(keys[name])] if equals and name in keys else []
    return [word for word in found or [f"{key}=" for key in keys] if word.startswith(incomplete)]


def _is_key(word: str) -> bool:
    section, _, rest = word.partition(".")
    if rest.endswith("toml"):  # run.toml is a file
        return False
    return section in RunConfig.model_fields and bool(rest) and all(part.isidentifier() for part in rest.split("."))


def _keys(incomplete: str, before: Sequence[str]) -> list[str]:
    """Keys that begin like this, each with its `=`; the settings of a part are opened when their table is reached."""
    tables = {f"{place.section}.{place.settings}" for place in PLACES if place.settings is not None}
    found = []
    for name, section in sections().items():
        for key in keys_of(section):
            full = f"{name}.{key.name}"
            found.append(f"{full}." if full in tables else f"{full}=")
    matching = [word for word in found if word.startswith(incomplete)]
    if [*tables & {word.rstrip(".") for word in matching}] and len(matching) == 1:
        incomplete, matching = matching[0], []
    if not matching:
        matching = [f"{name}=" for name, _ in _settings_at(incomplete, before) if f"{name}=".startswith(incomplete)]
    return matching


def _settings_at(word: str, before: Sequence[str]) -> Iterable[tuple[str, Key]]:
    """The settings of the parts in whose table a word stands, by their dotted names."""
    given: dict[str, str] | None = None
    for place in PLACES:
        table = f"{place.section}.{place.settings}."
        if place.settings is None or not word.startswith(table):
            continue
        if place.name is None:
            parts = {f"{table}{name}.": part for name, part in place.parts.items()}
        else:
            given = _given(before) if given is None else given
            chosen = place.parts.get(_chosen(place, given))
            parts = {} if chosen is None else {table: chosen}
        for prefix, part in parts.items():
            if word.startswith(prefix) or prefix.startswith(word):
                yield from ((f"{prefix}{key.name}", key) for key in settings_of(part))


def _values(key: str, before: Sequence[str], also: Mapping[str, Sequence[str]]) -> list[str]:
    """What may stand behind a key: names, words, or its default as an example."""
    for kind in CATALOGUE.values():
        if kind.key == key and key != "checkpoint.best_by":
            return [entry.name for entry in kind.load()]
    if key in also:
        return list(also[key])
    section, _, name = key.rpartition(".")
    known = {one.name: one for one in keys_of(sections()[section])} if section in sections() else {}
    found = known.get(name) or dict(_settings_at(key, before)).get(key)
    return [] if found is None else _examples(found)


def _examples(key: Key) -> list[str]:
    """The words that a key takes, or else its default, as they are typed."""
    if key.takes.startswith("one of: "):
        return key.takes.removeprefix("one of: ").partition(" or ")[0].split(", ")
    if key.takes.startswith("true or false"):
        return ["true", "false"]
    if key.default is MISSING or key.table:
        return []
    return [toml_value(key.default).strip('"')]


def _chosen(place: Place, given: Mapping[str, str]) -> str:
    key = f"{place.section}.{place.name}"
    return given.get(key) or str(getattr(RunConfig.model_fields[place.section].get_default(), str(place.name)))


def _given(before: Sequence[str]) -> dict[str, str]:
    """Texts that the words before this one set, later ones over earlier ones; a run file that cannot be read sets none."""
    from counterpoise.tables import read_run_tables

    found: dict[str, str] = {}
    words = list(before)
    for at, word in enumerate(words):
        key, equals, value = word.partition("=")
        if equals and key:
            found[key] = value.strip("\"'")
        elif word == "=" and 0 < at < len(words) - 1:  # bash has split it
            found[words[at - 1]] = words[at + 1].strip("\"'")
        path = Path(word, "config.toml") if Path(word).is_dir() else Path(word)
        if not equals and path.suffix == ".toml" and path.is_file():
            try:
                found |= _texts(read_run_tables(path))
            except ConfigError:
                continue
    return found


def _texts(tables: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{section}.{key}": value
        for section, table in tables.items()
        if isinstance(table, Mapping)
        for key, value in table.items()
        if isinstance(value, str)
    }

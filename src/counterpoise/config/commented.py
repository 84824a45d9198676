"""A run file in which every key stands with what it means: those that are set as settings, the others as comments with their defaults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.config.base import Section
from counterpoise.config.describe import MISSING, Key, keys_of, sections, settings_of, toml_key, toml_value
from counterpoise.config.run import RunConfig
from counterpoise.config.schema import PLACES, Place

__all__ = ["commented"]

_WIDTH = 110

_HEAD = """\
# A run file: counterpoise train THIS_FILE
# Lines that begin with "# " say what a key means; a key behind "#" has its default, and the "#" can be taken away to change it.
# Every key can be given on the command line too: counterpoise train THIS_FILE learner.steps=200"""


def commented(config: RunConfig) -> str:
    """The run file of a configuration, every key of every section explained; loading it gives an equal configuration.

    What was set is active, and so are settings of the parts that it names. With every `#` before a key taken away it loads as well.
    """
    given = config.model_dump(mode="json", exclude_unset=True)
    lines = [_HEAD]
    for name, section in sections().items():
        values: Any = given
        for part in name.split("."):
            values = values.get(part, {})
        lines += ["", *_said((section.__doc__ or "").strip()), f"[{name}]", *_section(name, section, values, config)]
    return "\n".join(lines) + "\n"


def _section(name: str, section: type[Section], values: Mapping[str, Any], config: RunConfig) -> Iterator[str]:
    tables = {
        place.settings: place
        for place in PLACES
        if place.section == name and place.name is not None and place.settings is not None
    }
    for key in keys_of(section):
        if key.name not in tables:
            yield from _key(key, values)
    # Tables stand behind the keys of their section: what follows the head of a table is the table's.
    for table, place in tables.items():
        yield from _table(place, values.get(table, {}), config)


def _key(key: Key, values: Mapping[str, Any]) -> Iterator[str]:
    yield from _said(f"{key.meaning} ({key.takes})")
    if key.name in values:
        yield f"{key.name} = {toml_value(values[key.name])}"
    else:
        yield f"#{key.name} = {toml_value(key.default)}"


def _table(place: Place, values: Mapping[str, Any], config: RunConfig) -> Iterator[str]:
    """The settings of the part that the configuration names, none where it has none and none are given."""
    chosen = str(getattr(getattr(config, place.section), str(place.name)))
    part = place.parts.get(chosen)
    known = [key for key in settings_of(part) if key.name not in place.filled] if part is not None else []
    if not known and not values:
        return
    yield ""
    yield from _said(f"Settings of {place.section}.{place.name} = {chosen}.")
    yield f"[{place.section}.{place.settings}]"
    for key in known:
        yield from _said(f"{key.meaning} ({key.takes})")
        if key.name in values:
            yield f"{key.name} = {toml_value(values[key.name])}"
        elif key.default is MISSING:
            yield f"# {key.name} has to be given: {key.name} = …"
        elif key.default is None:
            yield f"# {key.name} is not set"
        else:
            yield f"#{key.name} = {toml_value(key.default)}"
    for name in values.keys() - {key.name for key in known}:
        yield f"{toml_key(name)} = {toml_value(values[name])}"


def _said(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)

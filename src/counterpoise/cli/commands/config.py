"""`counterpoise config`: the reference of the run file on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from counterpoise.cli import console
from counterpoise.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from counterpoise.config.describe import Key

__all__ = ["config"]


def places(incomplete: str) -> list[str]:
    """Sections of the run file, and keys with the names behind them, for tab completion."""
    from counterpoise.config.complete import complete_override
    from counterpoise.config.describe import sections

    whole = [name for name in sections() if name.startswith(incomplete)]
    return [*whole, *complete_override(incomplete)] if incomplete else whole


def config(
    section: Annotated[
        str | None,
        typer.Argument(
            metavar="SECTION|KEY|KEY=NAME",
            help="e.g. learner, learner.steps or credit.rule=hinge.",
            autocompletion=places,
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the whole run file, for an editor.")
    ] = False,
) -> None:
    """Say what a run file can hold: the keys of a section, what each takes, its default and its meaning.

    counterpoise config                          the sections
    counterpoise config learner                  the keys of one
    counterpoise config learner.steps            one key
    counterpoise config credit.rule=hinge        the settings of a rule, task, loss, reward, controller, …
    counterpoise config --schema > run.schema.json
    """
    if schema:
        if section is not None:
            raise UsageError("--schema is of the whole run file; leave the section away")
        from counterpoise.config.schema import run_file_schema

        console.print_json(run_file_schema())
    elif section is None:
        _sections()
    elif "=" in section:
        _part(*section.partition("=")[::2])
    else:
        _section(section)


def _sections() -> None:
    from counterpoise.config.describe import keys_of, sections

    table = console.table("section", "what it says", "keys")
    for name, section in sections().items():
        said = (section.__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, Text(said), Text(", ".join(key.name for key in keys_of(section))))
    console.stdout.print(table)
    console.note("what a key takes and means: counterpoise config SECTION")


def _section(name: str) -> None:
    from counterpoise.config.describe import keys_of, sections

    known = sections()
    if name in known:
        _keys(name, keys_of(known[name]))
        return
    section, _, key = name.rpartition(".")
    if section in known:
        found = [one for one in keys_of(known[section]) if one.name == key]
        if not found:
            raise UnknownNameError(f"key of [{section}]", key, [one.name for one in keys_of(known[section])])
        _keys(section, found)
        return
    raise UnknownNameError("section of the run file", name, list(known))


def _part(key: str, name: str) -> None:
    from counterpoise.config.describe import settings_of
    from counterpoise.config.schema import PLACES

    parts = {f"{place.section}.{place.name or place.settings}": place for place in PLACES if place.settings is not None}
    if key not in parts:
        raise UnknownNameError("key that names a part", key, list(parts))
    place = parts[key]
    if name not in place.parts:
        raise UnknownNameError(key, name, place.parts)
    part, table = place.parts[name], f"{place.section}.{place.settings}"
    console.stdout.print(Text((part.__doc__ or "").strip().partition("\n")[0]), soft_wrap=True)
    settings = settings_of(part)
    if settings:
        _keys(table if place.name else f"{table}.{name}", settings)
    else:
        console.note(f"{key}={name} has no settings")


def _keys(where: str, keys: Sequence[Key]) -> None:
    table = console.table(f"[{where}]", "takes", "default", "what it means")
    for key in keys:
        table.add_row(Text(key.name), Text(key.takes), Text(key.default_text), Text(key.meaning))
    console.stdout.print(table)

"""`counterpoise list`: what a run file can name, with a line of each."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from counterpoise.cli import console

__all__ = ["list_names"]


def kinds(incomplete: str) -> list[str]:
    """Kinds of names that begin like this, for tab completion."""
    from counterpoise.config.catalogue import CATALOGUE

    return [kind for kind in CATALOGUE if kind.startswith(incomplete)]


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(help="rules, losses, templates, tasks, …; without it every kind.", autocompletion=kinds),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON instead of a table.")] = False,
) -> None:
    """Name what a run file can choose from: rules, losses, templates, tasks, verifiers, …, with a line of each.

    counterpoise list
    counterpoise list rules
    counterpoise config credit.rule=hinge        what one of them can be given
    """
    from counterpoise.config.catalogue import CATALOGUE, kind_called

    chosen = CATALOGUE if kind is None else {kind: kind_called(kind)}
    entries = {name: one.load() for name, one in chosen.items()}
    if json:
        console.print_json(
            {
                name: [{"name": one.name, "said": one.said, "for_comparison": one.comparison} for one in found]
                for name, found in entries.items()
            }
        )
        return
    if kind is None:
        table = console.table("kind", "given as", "names")
        for name, found in entries.items():
            names = ", ".join(one.name for one in found)
            table.add_row(name, CATALOGUE[name].key, Text(names if name != "columns" else f"{len(found)} of them"))
        console.stdout.print(table)
        console.note("a line of each: counterpoise list KIND")
        return
    marked = any(one.comparison for one in entries[kind])
    table = console.table(kind, *([""] if marked else []), "what it is")
    for one in entries[kind]:
        mark = [Text("for comparison" if one.comparison else "", style="yellow")] if marked else []
        table.add_row(Text(one.name), *mark, Text(one.said))
    console.stdout.print(table)
    console.note(f"given as {CATALOGUE[kind].key}")

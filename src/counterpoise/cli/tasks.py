"""`counterpoise tasks list|show|selfcheck`: look at the tasks before training on them; no model is involved."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from counterpoise.cli import console
from counterpoise.errors import UsageError

if TYPE_CHECKING:
    from counterpoise.types import Problem

__all__ = ["parse_settings", "tasks"]

tasks = typer.Typer(
    no_args_is_help=True, help="List tasks, show their problems, and check their verifiers without a model."
)
"""The group of commands."""


def _task_names(incomplete: str) -> list[str]:
    from counterpoise.tasks.registry import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


_Settings = Annotated[
    list[str] | None, typer.Argument(metavar="[key=value]...", help="Settings of the task, as `tasks list` names them.")
]
_Split = Annotated[str, typer.Option("--split", help="train or test.", autocompletion=lambda: ["train", "test"])]


@tasks.command("list")
def list_tasks() -> None:
    """Name every task, say what it is, and list its settings with their defaults."""
    from counterpoise.tasks.registry import TASKS

    table = console.table("task", "what it is", "settings")
    for name, task in TASKS.items():
        settings = [_setting(field) for field in dataclasses.fields(task) if field.init]
        table.add_row(name, Text(_first_line(task.__doc__)), Text("\n".join(settings)))
    console.stdout.print(table)


@tasks.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.", autocompletion=_task_names)],
    settings: _Settings = None,
    split: _Split = "test",
    n: Annotated[int, typer.Option("-n", min=1, help="How many problems to print.")] = 5,
) -> None:
    """Print the first problems of one split as a model would get them, before any template."""
    from counterpoise.tasks.registry import make_task

    problems = make_task(name, **parse_settings(settings or [])).problems(split)
    for problem in problems[:n]:
        console.stdout.print(_described(problem))
    console.note(f"{min(n, len(problems))} of the {len(problems):,} {split} problems of {name}")


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """`["count=3", "style=words"]` as `{"count": 3, "style": "words"}`: values are TOML, and text where they are not.

    Raises:
        UsageError: a pair has no `=` or no name before it.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"'{pair}' is not a setting; write key=value, e.g. count=3")
        try:
            settings[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key] = text
    return settings


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def _setting(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}={field.default}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}={field.default_factory()}"
    return f"{field.name} (required)"


def _described(problem: Problem) -> str:
    lines = [
        f"[bold]{escape(problem.problem_id)}[/bold]  {escape(problem.task_type)}, judged by {escape(problem.verifier)}"
    ]
    lines += [f"  [dim]question[/dim] {escape(problem.question)}", f"  [dim]gold[/dim]     {escape(problem.gold)}"]
    if problem.demonstration is not None:
        lines.append(f"  [dim]worked[/dim]   {escape(problem.demonstration)}")
    return "\n".join(lines)

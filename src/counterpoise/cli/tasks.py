"""`counterpoise tasks list|show|selfcheck`: look at the tasks before training on them; no model is involved."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from counterpoise.cli import completion, console
from counterpoise.errors import UsageError
from counterpoise.settings import setting_name, setting_value
from counterpoise.tasks.shared.identity import Split

if TYPE_CHECKING:
    from counterpoise.tasks.selfcheck import ProbeReport, SelfCheckReport
    from counterpoise.types import Problem
    from counterpoise.verifiers.judge import Judge

__all__ = ["parse_settings", "task_names", "tasks"]

tasks = typer.Typer(
    no_args_is_help=True, help="List tasks, show their problems, and check their verifiers without a model."
)
"""The group of commands."""


def task_names(incomplete: str) -> list[str]:
    """Names of tasks that begin like this, for tab completion."""
    from counterpoise.tasks.registry import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def _task_names_or_all(incomplete: str) -> list[str]:
    return [*task_names(incomplete), *(["all"] if "all".startswith(incomplete) else [])]


_Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="key=value",
        help="Settings of the task, as `tasks list` names them.",
        autocompletion=completion.task_settings,
    ),
]
_Split = Annotated[Split, typer.Option("--split", help="Which side.")]
_NUMBERS = ("passed", "of", "rate", "unscored")


@tasks.command("list")
def list_tasks() -> None:
    """Name every task, say what it is, and list its settings with their defaults."""
    from counterpoise.tasks.registry import TASKS

    table = console.table("task", "what it is", "settings")
    for name, task in TASKS.items():
        settings = [_setting(parameter) for parameter in inspect.signature(task).parameters.values()]
        table.add_row(name, Text(_first_line(task.__doc__)), Text(", ".join(settings)))
    console.stdout.print(table)


@tasks.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.", autocompletion=task_names)],
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


@tasks.command()
def selfcheck(
    name: Annotated[
        str, typer.Argument(metavar="TASK|all", help="Name of the task.", autocompletion=_task_names_or_all)
    ],
    settings: _Settings = None,
    split: _Split = "test",
    sample: Annotated[int, typer.Option(min=1, help="Problems to check, drawn at random.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Processes for verifiers that may hang.")] = 1,
) -> None:
    """Check a task and its verifier without a model: golds accepted; other golds, echoes, junk and injected answers rejected.

    `all` checks every task whose problems are at hand and names the others. Exits with 1 when a check fails.
    """
    from counterpoise.tasks.registry import TASKS
    from counterpoise.verifiers.judge import Judge

    given = parse_settings(settings or [])
    if name == "all" and given:
        raise UsageError("settings belong to one task; name it instead of 'all'")
    if name == "all":
        # "At hand" includes the hub's cache; without this every task that is not in it would first wait for the network.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    table = console.table("task", "check", "must be", "passed", "of", "rate", "unscored", numbers=_NUMBERS)
    reports: list[SelfCheckReport] = []
    with Judge(workers=workers) as judge:
        for task in TASKS if name == "all" else (name,):
            try:
                report = _check(task, given, split=split, sample=sample, judge=judge)
            except UsageError as error:
                if name != "all":
                    raise
                console.note(f"{task} left out: {error}")
                continue
            reports.append(report)
            for probe in report.probes:
                table.add_row(*_row(report.task, probe))
    console.stdout.print(table)
    if _explain_failures(reports):
        raise typer.Exit(1)


def _check(task: str, settings: dict[str, Any], *, split: Split, sample: int, judge: Judge) -> SelfCheckReport:
    from counterpoise.tasks.registry import make_task
    from counterpoise.tasks.selfcheck import selfcheck as check

    problems = make_task(task, **settings).problems(split)
    with console.stderr.status(f"checking {task}"):
        return check(
            problems,
            lambda items: judge.verify([problem for problem, _ in items], [response for _, response in items]),
            task=task,
            sample=sample,
        )


def _row(task: str, probe: ProbeReport) -> tuple[str | Text, ...]:
    rate = Text(f"{probe.rate:.1%}" if probe.count else "–", style="green" if probe.ok else "bold red")
    wanted = "accepted" if probe.accept else "rejected"
    return task, probe.name, wanted, f"{probe.passed:,}", f"{probe.count:,}", rate, f"{probe.unscored:,}"


def _explain_failures(reports: Iterable[SelfCheckReport]) -> bool:
    """Print the responses that got the wrong verdict; whether there were any."""
    failed = [(report, probe) for report in reports for probe in report.probes if not probe.ok]
    for report, probe in failed:
        wanted = "accepted" if probe.accept else "rejected"
        console.error(f"{report.task}: {probe.count - probe.passed} of {probe.count}, {probe.name}, not {wanted}, e.g.")
        for offence in probe.offences:
            console.note(
                f"  {offence.problem_id[:12]}  gold {offence.gold!r}  response {offence.response!r}  "
                f"{offence.verdict} ({offence.rule})"
            )
    return bool(failed)


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
        settings[key] = setting_value(text)
    return settings


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def _setting(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return f"{setting_name(parameter.name)} (required)"
    name = setting_name(parameter.name)
    return name if parameter.default is None else f"{name}={parameter.default}"


def _described(problem: Problem) -> Text:
    text = Text.assemble((problem.problem_id, "bold"), f"  {problem.task_type}, judged by {problem.verifier}")
    parts = {"question": problem.question, "gold": problem.gold, "worked": problem.demonstration}
    for name, part in parts.items():
        if part is not None:
            text.append(f"\n  {name:8}", style="dim")
            text.append(f" {part}")
    return text

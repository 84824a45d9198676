"""`counterpoise tasks list|show|selfcheck`: look at the tasks before training on them; no model is involved."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from counterpoise.cli import completion, console
from counterpoise.errors import UsageError
from counterpoise.tasks.shared.identity import Split
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.config import ModelConfig, RunConfig
    from counterpoise.prompts import Wording
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
    from counterpoise.settings import described
    from counterpoise.tasks.registry import TASKS

    table = console.table("task", "what it is", "settings")
    for name, task in TASKS.items():
        table.add_row(name, Text(_first_line(task.__doc__)), Text(", ".join(described(task))))
    console.stdout.print(table)


@tasks.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="TASK|RUN.toml", help="Name of the task, or a run file.", autocompletion=task_names),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="key=value",
            help="Settings of the task, as `tasks list` names them, and prompt.KEY=VALUE; of a run file, section.key=value.",
        ),
    ] = None,
    split: _Split = "test",
    n: Annotated[int, typer.Option("-n", min=1, help="How many problems to print.")] = 5,
    rendered: Annotated[
        bool, typer.Option("--rendered", help="Print whole prompts, as the model gets them, and their tokens.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Whose tokenizer and chat format; a run file has a model of its own.")
    ] = None,
) -> None:
    """Print the first problems of one split: question, gold and worked answer, or with `--rendered` the whole prompt.

    counterpoise tasks show jsonl test=mine.jsonl --rendered --model smollm2 'prompt.system=Answer in one word.'
    """
    from counterpoise.build.problems import task_and_template

    config = _config(name, settings or [])
    rendered = rendered or model is not None or any(pair.startswith("prompt.") for pair in settings or [])
    if rendered and model is None and not _is_file(name):
        raise UsageError("a prompt is written for a model: name it with --model, e.g. --rendered --model smollm2")
    task, wording = task_and_template(config)
    problems = task.problems(split)
    wording.check(problems[:n])
    if rendered:
        chosen = config.model if model is None else config.changed(model={"name": model}).model
        _print_rendered(problems[:n], wording, chosen)
    else:
        for problem in problems[:n]:
            console.stdout.print(_described(problem))
    console.note(f"{min(n, len(problems))} of the {len(problems):,} {split} problems of {name}")


def _is_file(name: str) -> bool:
    return name.endswith(".toml")


def _config(name: str, pairs: list[str]) -> RunConfig:
    """The run of a run file with overrides, or one of the task with settings and `prompt.KEY=VALUE`."""
    from counterpoise.runfile import COMMAND_LINE, load_config, parse_config

    if _is_file(name):
        return load_config(Path(name), pairs)
    own = [pair for pair in pairs if not pair.startswith("prompt.")]
    tables = {"tasks": {"name": name, "settings": parse_settings(own)}}
    return parse_config(tables, [pair for pair in pairs if pair not in own], source=COMMAND_LINE)


def _print_rendered(problems: Sequence[Problem], wording: Wording, model: ModelConfig) -> None:
    from counterpoise.build.checks import check_policy
    from counterpoise.models.load import load_tokenizer
    from counterpoise.prompts import make_prompts

    check_policy(model)
    tokenizer = load_tokenizer(model.name, revision=model.revision, trust_remote_code=model.trust_remote_code)
    for prompt in make_prompts(problems, tokenizer, template=wording):
        plain = len(tokenizer.encode(prompt.text, add_special_tokens=False))
        added = len(prompt.token_ids) - plain
        own = f", {added} of them put around it by the tokenizer" if added else ""
        console.stdout.print(_heading(prompt.problem))
        console.stdout.print(Text(prompt.text), soft_wrap=True)
        console.stdout.print(Text(f"  {counted(len(prompt.token_ids), 'token')}{own}", style="dim"))
    if (remark := wording.remark(problems, tokenizer)) is not None:
        console.note(remark)


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
    for report in reports:
        if report.unknown:
            console.note(
                f"{report.task}: no right response is known to {counted(report.unknown, 'problem')} of {report.problems:,}, whose verifier "
                "is not one of ours, so whether it accepts one was not checked; name a field of worked answers: demonstration=FIELD"
            )
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
                f"{offence.verdict} ({offence.basis})"
            )
        console.note(f"  {probe.remedy}")
    return bool(failed)


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """`["count=3", "style=words"]` as `{"count": 3, "style": "words"}`: values are TOML, and text where they are not.

    Raises:
        UsageError: a pair has no `=` or no name before it.
    """
    from counterpoise.settings import setting_value

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"'{pair}' is not a setting; write key=value, e.g. count=3")
        settings[key] = setting_value(text)
    return settings


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def _heading(problem: Problem) -> Text:
    return Text.assemble((problem.problem_id, "bold"), f"  {problem.task_type}, judged by {problem.verifier}")


def _described(problem: Problem) -> Text:
    text = _heading(problem)
    parts = {"question": problem.question, "gold": problem.gold, "worked": problem.demonstration}
    for name, part in parts.items():
        if part is not None:
            text.append(f"\n  {name:8}", style="dim")
            text.append(f" {part}")
    return text

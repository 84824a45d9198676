"""`counterpoise grade`: the stored rollouts of an evaluation judged again, without sampling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from counterpoise.cli import console
from counterpoise.cli.commands.passk import EVERY_K, METRIC_HELP, parse_ks
from counterpoise.cli.named import check_verifier
from counterpoise.errors import UsageError
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.evaluation.agreement import Agreement, Changed
    from counterpoise.jobs.regrade import Regraded

__all__ = ["evaluation_directory", "grade", "stored_config"]

_EXAMPLES = 5
_SHOWN = 300
_VERIFIER = "verifier."
_SECTIONS = ("tasks.settings.", "tasks.train", "tasks.test", "verification.")


def grade(
    target: Annotated[
        str,
        typer.Argument(metavar="DIRECTORY", help="An evaluation, or a run (newest evaluation; RUN@STEP chooses)."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="tasks.settings.…, tasks.test, verification.… or verifier.SETTING."),
    ] = None,
    verifier: Annotated[str | None, typer.Option(help="Judge with this one instead of the task's own.")] = None,
    n: Annotated[
        int | None, typer.Option(min=1, help="First rollouts of each problem that count; all otherwise.")
    ] = None,
    k: Annotated[list[str] | None, typer.Option("--k", help="Tries, e.g. 1,8,64, or all; may be repeated.")] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help=METRIC_HELP)] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help=f"Show up to {_EXAMPLES} rollouts whose verdict changed.")
    ] = False,
) -> None:
    """Judge the stored rollouts of an evaluation again: nothing is sampled, and no verdict is lost.

    Each verifier version has its own file of verdicts, and only what is missing in it is judged. passk.json is written anew; the one of
    other verifiers is kept as passk-VERIFIER-VERSION.json. Prints pass@k and how the verdicts changed.

    counterpoise grade runs/nsr@200 --verifier math --examples
    counterpoise grade runs/eval-lab-countdown tasks.settings.count=4
    counterpoise grade runs/eval-gsm8k tasks.test=test.jsonl --verifier math verifier.literal=true
    """
    if verifier is not None:
        check_verifier(verifier)
    directory = evaluation_directory(target)
    settings = dict(map(_setting, (o for o in overrides or () if o.startswith(_VERIFIER))))
    if settings and verifier is None:
        raise UsageError(f"verifier.{next(iter(settings))} is a setting of a verifier; name it: --verifier math")
    config = stored_config(directory, [o for o in overrides or () if not o.startswith(_VERIFIER)], verifier)
    ks: Sequence[int] | Literal["all"] | None = None if not k else "all" if k == [EVERY_K] else parse_ks(k)

    from counterpoise.cli.live import LazyProgress
    from counterpoise.cli.views.passk import estimates_table, passk_table
    from counterpoise.evaluation.result_lines import result_lines
    from counterpoise.evaluation.statistics.metrics import metric_names
    from counterpoise.jobs.regrade import regrade

    metrics = metric_names(metric or [])
    with LazyProgress("grading") as show:
        done = regrade(
            directory,
            config,
            verifier=verifier,
            settings=settings,
            n=n,
            ks=ks,
            examples=_EXAMPLES if examples else 0,
            on_progress=show,
            say=console.note,
        )
    judges = _named(done.result.verifiers)
    title = f"pass@k of {target}, judged by {judges}"
    console.stdout.print(passk_table(done.result.curve, confidence=done.result.confidence, title=title))
    if metrics:
        console.stdout.print(estimates_table(done.result.estimates, metrics, confidence=done.result.confidence))
    if done.agreement is not None:
        _show_agreement(done.agreement, _named(done.before), judges)
    for line in (*result_lines(done.result), *_notes(done, judges)):
        console.note(line)
    console.stdout.print(f"verdicts and passk.json: {directory}", soft_wrap=True)


def evaluation_directory(target: str) -> Path:
    """The evaluation that a directory, a run or `RUN@STEP` names; it need not be finished.

    Raises:
        UsageError: the target is a file of counts.
        DataError: nothing is there, or nothing was evaluated.
    """
    from counterpoise.evaluation.comparison import read_contender

    # An unfinished or merged evaluation has no passk.json yet and can be graded all the same.
    if (Path(target) / "manifest.json").is_file():
        return Path(target)
    found = read_contender(target).path
    if not found.is_dir():
        raise UsageError(f"{target} is a file of counts, without rollouts: give an evaluation's directory or a run")
    return found


def stored_config(directory: Path, overrides: Sequence[str], verifier: str | None = None) -> RunConfig:
    """The configuration that a stored evaluation was drawn with, with overrides of what grading depends on.

    Raises:
        UsageError: an override of something else.
    """
    from counterpoise.evaluation.store.rollouts import RolloutStore
    from counterpoise.evaluation.store.task_file import kept_task
    from counterpoise.plugins import portable
    from counterpoise.runfile import load_stored, parse_config
    from counterpoise.runs.directory import RunDirectory

    for override in overrides:
        if not override.startswith(_SECTIONS):
            raise UsageError(
                f"{override}: grading depends on tasks.settings.…, tasks.train, tasks.test, verification.… and verifier.… only; "
                "model, task and sampling are the stored evaluation's"
            )
    run_file = directory.resolve().parent.parent / "config.toml"
    if directory.resolve().parent.name == "evaluation" and run_file.is_file():
        run, config = RunDirectory.read(run_file.parent), load_stored(run_file.parent, overrides)
        new = "name the new code: --verifier ./FILE.py:NAME"
        run.refuse_other_code(config, besides="verifier" if verifier is not None else "", also=new)
        return config
    manifest = RolloutStore(directory).manifest
    kept, name = kept_task(directory) or {}, manifest.task.removesuffix(":test")
    # The manifest has the name of an import path alone, without where its file is.
    tasks = {**kept, "name": kept["name"] if portable(str(kept.get("name"))) == name else name}
    sections = {"model": {"name": manifest.model}, "tasks": tasks}
    return parse_config(sections, overrides, source="command line")


def _setting(override: str) -> tuple[str, Any]:
    from counterpoise.settings import setting_value

    key, equals, text = override.removeprefix(_VERIFIER).partition("=")
    if not equals or not key:
        raise UsageError(f"'{override}' is not a setting; write verifier.key=value, e.g. verifier.literal=true")
    return key, setting_value(text)


def _named(verifiers: Any) -> str:
    return ", ".join(f"{name} {version}" for name, version in verifiers.items())


def _notes(done: Regraded, judges: str) -> list[str]:
    if done.kept is not None:
        return [f"the result by {_named(done.before)} is kept as {done.kept}"]
    return [f"{judges} made the result before too, so no verdict changed"] if done.before else []


def _show_agreement(found: Agreement, before: str, after: str) -> None:
    from counterpoise.types import VerdictValue

    title = f"verdicts of {before} and of {after}"
    table = console.table("before", "now", "rollouts", "share", title=title, numbers=("rollouts", "share"))
    for change in ((old, new) for old in VerdictValue for new in VerdictValue):
        count = found.counts.get(change, 0)
        if count:
            old, new = (_words(value) for value in change)
            table.add_row(old, "same" if old == new else new, str(count), f"{count / found.compared:.1%}")
    if found.compared:
        console.stdout.print(table)
        console.stdout.print(f"same verdict for {found.share:.1%} of {counted(found.compared, 'rollout')}")
    if found.fresh:
        console.stdout.print(f"{counted(found.fresh, 'rollout')} had no verdict before")
    for example in found.examples:
        _show_example(example)


def _show_example(example: Changed) -> None:
    text = example.text if len(example.text) <= _SHOWN else f"{example.text[:_SHOWN]}…"
    lines = (
        f"{example.problem_id} sample {example.sample}: {_words(example.before.value)} -> {_words(example.after.value)}",
        f"  answer before {example.before.answer!r} ({example.before.basis}), now {example.after.answer!r} ({example.after.basis})",
        f"  response {text!r}",
    )
    for line in lines:
        console.stdout.print(line, soft_wrap=True)


def _words(value: Any) -> str:
    return str(value.value).replace("_", " ")

"""`counterpoise init`: a run file to begin with, every key explained in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from counterpoise.cli import completion, console
from counterpoise.cli.commands.advise import models
from counterpoise.cli.commands.tasks import task_names
from counterpoise.cli.subject import model_subject, refuse_contradictions

__all__ = ["init"]

_FLAGS = {"tasks.name": "--task", "model.name": "--model", "credit.rule": "--rule"}


def rules(incomplete: str) -> list[str]:
    """Credit rules that begin like this, for tab completion."""
    from counterpoise.credit import RULES

    return [name for name in RULES if name.startswith(incomplete)]


def init(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Settings that the file begins with.", autocompletion=completion.overrides
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there; otherwise it is printed.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task; countdown otherwise.", autocompletion=task_names)] = None,
    model: Annotated[
        str | None, typer.Option(help="Model: name, path or hub id; lab otherwise.", autocompletion=models)
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="Credit rule; weighted_reinforce otherwise.", autocompletion=rules)
    ] = None,
) -> None:
    """Write a run file in which every key is explained; what is not set stands there as a comment, with its default.

    counterpoise init -o run.toml
    counterpoise init -o mine.toml --model HuggingFaceTB/SmolLM2-135M-Instruct --task jsonl tasks.settings.path=mine.jsonl
    counterpoise init -o nsr.toml --rule nsr learner.steps=200
    """
    from counterpoise.build.checks import check_names
    from counterpoise.build.problems import task_and_template
    from counterpoise.config.commented import commented
    from counterpoise.errors import CounterpoiseError, UnknownNameError, UsageError
    from counterpoise.files import atomic_write_text
    from counterpoise.models.registry import MODELS, resolve_model
    from counterpoise.runfile import parse_config, quoted
    from counterpoise.tables import anchored
    from counterpoise.tasks.registry import TASKS

    typed = overrides or []
    for word in typed:
        if "=" not in word:
            raise UsageError(
                f"'{word}' is not key=value; a file to write is named by --out: counterpoise init --out {word}"
            )
    flags = {"tasks.name": task, "model.name": model, "credit.rule": rule}
    given = {key: value for key, value in flags.items() if value is not None}
    refuse_contradictions(typed, given, _FLAGS, model_is_target=False)
    if out is not None and out.exists():
        raise UsageError(f"--out {out} exists already and would be replaced; name another file, or delete it")
    own = [quoted(key, value) for key, value in given.items()]
    named = {override.partition("=")[0].strip(): override.partition("=")[2].strip() for override in [*typed, *own]}
    begun = _text(named.get("model.name", "lab")), _text(named.get("tasks.name", "countdown"))
    config = model_subject(begun[0], [*own, *typed], begun[1])
    if config.model.name not in MODELS:  # making a packaged one takes longer than naming it
        resolve_model(config.model.name)
    if config.tasks.name not in TASKS:
        raise UnknownNameError("task", config.tasks.name, TASKS)
    check_names(config)
    if out is not None and out.parent.resolve() != Path.cwd():
        # Typed paths follow the current directory, and those of a run file follow the file.
        config = parse_config(anchored(config.model_dump(mode="json", exclude_unset=True), Path.cwd()))
    text = commented(config)
    if out is None:
        console.stdout.print(Text(text), soft_wrap=True, end="")
        return
    atomic_write_text(out, text)
    try:
        task_and_template(config)
    except CounterpoiseError as lacking:
        console.note(f"to set in {out} before it can be trained: {lacking}")
    console.note(f"run file: {out}; see what it would do with: counterpoise train {out} --dry-run")


def _text(value: str) -> str:
    from counterpoise.settings import setting_value

    return str(setting_value(value))

"""`counterpoise model export|push`: a run's weights as a whole model, here or on the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import console
from counterpoise.errors import UsageError
from counterpoise.targets import refuse_step, run_and_step

if TYPE_CHECKING:
    from counterpoise.jobs.export_model import ExportedModel

__all__ = ["model"]

model = typer.Typer(no_args_is_help=True, help="Take a run's weights elsewhere: as a whole model, with its card.")
"""The group of commands."""

_Target = Annotated[
    str,
    typer.Argument(
        metavar="RUN|RUN@STEP|CHECKPOINT", help="A run (its newest step), one step, or what TRL, verl or PEFT saved."
    ),
]
_Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="model.name=… where the base was moved; model.trust_remote_code=true."),
]
_KEYS = ("model.name", "model.trust_remote_code")


@model.command("export")
def export_model(
    target: _Target,
    overrides: _Settings = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Directory to write; it must be new or empty.")
    ] = None,
) -> None:
    """Write one step of a run as an ordinary model: safetensors with adapters merged, tokenizer, card with pass@k, and the run file.

    counterpoise model export runs/nsr -o models/nsr
    counterpoise model export runs/nsr@200 -o models/nsr-200
    counterpoise model export out/checkpoint-500 -o models/from-trl
    """
    if out is None:
        raise UsageError("say where the model goes: -o DIR")
    done = _exported(target, overrides or [], out)
    console.stdout.print(f"{_said(target, done)}: {out}", soft_wrap=True)


@model.command()
def push(
    target: _Target,
    repository: Annotated[str, typer.Argument(metavar="REPO_ID", help="OWNER/NAME on the hub; made where it is not.")],
    overrides: _Settings = None,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see; private otherwise.")] = False,
) -> None:
    """Export a model and upload it to the Hugging Face hub, into a private repository unless told otherwise.

    counterpoise model push runs/nsr@200 me/nsr-200
    """
    from counterpoise.jobs.export_model import check_repository, push_folder

    api = check_repository(repository, public=public)
    with tempfile.TemporaryDirectory(prefix="counterpoise-push-") as place:
        done = _exported(target, overrides or [], Path(place) / "model")
        address = push_folder(api, done.path, repository, public=public)
    console.stdout.print(f"{_said(target, done)}: {address}", soft_wrap=True)


def _exported(target: str, settings: list[str], out: Path) -> ExportedModel:
    from counterpoise.jobs.export_model import export_checkpoint, export_run
    from counterpoise.models.layout import holds_model
    from counterpoise.runs.directory import RunDirectory

    for setting in settings:
        if setting.partition("=")[0].strip() not in _KEYS:
            raise UsageError(
                f"'{setting}' changes nothing of a model that is written; what may be given: {', '.join(_KEYS)}"
            )
    path, step = run_and_step(target)
    if (path / "config.toml").is_file():
        run = RunDirectory.read(path, settings)
        if run.config.model.lora.rank:
            run.refuse_missing("model export", kinds=("model",))
        return export_run(run, out, step=step, say=console.note)
    refuse_step(target, path, step)
    if not (path.is_dir() and holds_model(path)):
        raise UsageError(f"{target} is neither a run (no config.toml) nor the directory of a model or adapter")
    given = [setting for setting in settings if setting.startswith("model.name")]
    if given:
        raise UsageError(
            f"{given[0]}: the model is the first argument; an adapter's base stands in its adapter_config.json"
        )
    trusted = any(setting.partition("=")[2].strip() == "true" for setting in settings)
    return export_checkpoint(str(path), out, trust_remote_code=trusted)


def _said(target: str, done: ExportedModel) -> str:
    if done.step is None:
        return f"{target} as a whole model"
    if not done.evaluated:
        console.note(f"step {done.step} was not evaluated, so its card has no pass@k: counterpoise eval {target}")
    return f"step {done.step} of {run_and_step(target)[0]}"

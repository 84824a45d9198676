"""`counterpoise launch`: a run file in another engine's trainer, after a check of all that can be checked first."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from counterpoise.cli import completion, console

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.launch.plan import LaunchPlan, LaunchRequest

__all__ = ["launch"]

launch = typer.Typer(
    name="launch", no_args_is_help=True, help="Train a run file with another engine: verl on Ray, or TRL on torchrun."
)

_Run = Annotated[Path, typer.Argument(help="A run file (TOML).")]
_Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE|FILE.toml",
        help="Settings, or further run files, that replace the file's.",
        autocompletion=completion.overrides,
    ),
]
_Nodes = Annotated[int, typer.Option("--nodes", min=1, help="Machines.")]
_Gpus = Annotated[int | None, typer.Option("--gpus", min=1, help="GPUs of each machine; all that are found.")]
_Cpu = Annotated[bool, typer.Option("--cpu", help="Train without GPUs; --gpus is then the number of processes.")]
_Own = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="NAME=VALUE", help="An option of the engine's own; goes before the run file's."),
]
_NoMemory = Annotated[bool, typer.Option("--no-memory-check", help="Do not hold the estimate against the card.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the command and what would be written; write nothing.")]


@launch.command("verl")
def launch_verl(
    run: _Run,
    overrides: _Overrides = None,
    nodes: _Nodes = 1,
    gpus: _Gpus = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="A Ray cluster: HOST:6379, auto, or http://HOST:8265 for a job."),
    ] = None,
    cpu: _Cpu = False,
    engine: _Own = None,
    no_memory_check: _NoMemory = False,
    dry_run: _DryRun = False,
) -> None:
    """Train a run file with verl's trainer on Ray.

    counterpoise launch verl recipes/paper/qwen3-4b.toml recipes/paper/rules/nsr.toml --gpus 8
    counterpoise launch verl run.toml credit.rule=nsr --nodes 2 --gpus 8 --ray head:6379
    counterpoise launch verl run.toml --engine actor_rollout_ref.rollout.name=sglang --dry-run

    Every key of the run file becomes an option of verl's, or is named, or refused where leaving it out would train something else
    (docs/how-to/launch.md). The same command goes on from the newest checkpoint.
    """
    _launch(
        _verl_plan, run, overrides or [], engine or [], nodes=nodes, gpus=gpus, cpu=cpu, ray=ray,
        memory_check=not no_memory_check, dry_run=dry_run,
    )  # fmt: skip


@launch.command("trl")
def launch_trl(
    run: _Run,
    overrides: _Overrides = None,
    nodes: _Nodes = 1,
    gpus: _Gpus = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HOST:PORT", help="Where the processes of several machines meet.")
    ] = None,
    cpu: _Cpu = False,
    engine: _Own = None,
    no_memory_check: _NoMemory = False,
    dry_run: _DryRun = False,
) -> None:
    """Train a run file with TRL's trainer, in as many processes as there are GPUs.

    counterpoise launch trl run.toml credit.rule=nsr
    counterpoise launch trl run.toml --gpus 4 --engine use_vllm=true --engine vllm_mode=colocate
    counterpoise launch trl recipes/lab.toml learner.minibatch=none --cpu

    Every key of the run file becomes an argument of TRL's, or is named, or refused where leaving it out would train something else
    (docs/how-to/launch.md). The same command goes on from the newest checkpoint.
    """
    _launch(
        _trl_plan, run, overrides or [], engine or [], nodes=nodes, gpus=gpus, cpu=cpu, head=head,
        memory_check=not no_memory_check, dry_run=dry_run,
    )  # fmt: skip


def _verl_plan(request: LaunchRequest) -> LaunchPlan:
    from counterpoise.engines.verl.plan import verl_plan

    return verl_plan(request)


def _trl_plan(request: LaunchRequest) -> LaunchPlan:
    from counterpoise.engines.trl.plan import trl_plan

    return trl_plan(request)


def _launch(
    make_plan: Callable[[LaunchRequest], LaunchPlan],
    run: Path,
    settings: Sequence[str],
    engine: Sequence[str],
    *,
    nodes: int,
    gpus: int | None,
    cpu: bool,
    memory_check: bool,
    dry_run: bool,
    ray: str | None = None,
    head: str | None = None,
) -> None:
    """Make a plan of the run file, and follow or show it."""
    own = _own(engine)
    config = _anywhere(run, settings)
    from counterpoise.build.checks import check_names
    from counterpoise.build.problems import problems_of
    from counterpoise.config.parts import sources_in
    from counterpoise.errors import StoreError
    from counterpoise.launch.plan import LaunchRequest

    # No torch up to here: names, files and problems are read first.
    sources_in(config.model_dump(mode="json"))
    check_names(config)
    request = LaunchRequest(
        config=config, problems=problems_of(config), own=own, nodes=nodes, gpus=gpus, cpu=cpu, memory_check=memory_check,
        dry_run=dry_run, ray=ray, head=head,
    )  # fmt: skip
    plan = make_plan(request)
    for line in plan.remarks:
        console.note(line)
    if dry_run:
        _show(plan)
        return
    try:
        plan.write()
    except OSError as error:
        where = error.filename or config.path
        raise StoreError(f"cannot write {where}: {error.strerror or error}; give another run.directory") from error
    console.note(f"run: {config.path}")
    done = subprocess.run(list(plan.command), env={**os.environ, **plan.environment}, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode if done.returncode > 0 else 1)


def _anywhere(run: Path, settings: Sequence[str]) -> RunConfig:
    """The configuration with every path absolute and the texts of prompts in it; what was not set is not set."""
    from counterpoise.cli.named import named_config
    from counterpoise.runfile import parse_config
    from counterpoise.tables import anchored

    config = named_config(run, settings)
    tables = anchored(config.model_dump(mode="json", exclude_unset=True), Path.cwd())
    tables["run"]["directory"] = str(config.run.directory.resolve())
    trusted = ["model.trust_remote_code=true"] if tables.get("model", {}).pop("trust_remote_code", False) else []
    found = parse_config(tables, trusted)
    return found.model_copy(update={"prompt": found.prompt.settled()})


def _own(engine: Sequence[str]) -> dict[str, str]:
    from counterpoise.errors import UsageError

    found = {}
    for word in engine:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--engine {word}: give NAME=VALUE")
        found[name.strip()] = value
    return found


def _show(plan: LaunchPlan) -> None:
    for line in plan.missing:
        console.stdout.print(Text(f"missing here: {line}"), soft_wrap=True)
    for line in plan.files:
        console.stdout.print(Text(f"would write {line}"), soft_wrap=True)
    console.stdout.print(Text(shlex.join(plan.command)), soft_wrap=True)
    console.note("dry run: nothing was written")

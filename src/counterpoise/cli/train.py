"""`counterpoise train`: start a run from a run file, or continue one from its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console

__all__ = ["train"]


def train(
    run: Annotated[Path, typer.Argument(help="A run file (TOML), or the directory of a run to continue.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings that replace the file's.")
    ] = None,
) -> None:
    """Train a policy and measure pass@k before and after.

    counterpoise train recipes/lab.toml
    counterpoise train recipes/lab.toml credit.rule=nsr run.name=lab-nsr
    counterpoise train recipes/lab.toml credit.settings.lambda=0.2 run.seed=1 run.name=lab-0.2
    counterpoise train runs/lab                       continue after a kill or Ctrl-C
    counterpoise train runs/lab learner.steps=200     train a finished run further

    Writes metrics.jsonl, checkpoints and evaluations under run.directory/run.name (docs/engines.md).
    """
    from counterpoise.runfile import load_config

    settings = overrides or []
    if not run.is_dir():
        config = load_config(run, settings)
        if "name" not in config.run.model_fields_set:
            config = load_config(run, [*settings, f'run.name="{run.stem}"'])
    from counterpoise.engines.lookup import check_run
    from counterpoise.engines.run_directory import RunDirectory

    # torch is imported after this, when the run is known to be good as far as names and files go.
    if run.is_dir():
        opened = RunDirectory.read(run, settings)
        problems = check_run(opened.config, started=any(opened.checkpoints.glob("step-*")))
    else:
        problems = check_run(config)
    from counterpoise.cli.live import LiveObserver
    from counterpoise.engines.local import train as run_training
    from counterpoise.engines.processes import is_main

    directory = RunDirectory.open(run, settings) if run.is_dir() else RunDirectory.create(config)
    with LiveObserver() as observer:
        result = run_training(directory, observer=observer, problems=problems)
    if is_main():
        show_result(result)


def show_result(result: object) -> None:
    """The pass@k table of a finished run, its directory, and what to do next."""
    from counterpoise.engines.local import TrainResult
    from counterpoise.evaluation.table import comparison_table, passk_table

    assert isinstance(result, TrainResult)
    config = result.run.config
    if result.base is not None and result.final is not None:
        # Not the table's own title, which would be folded to the table's width.
        console.stdout.print(
            f"\npass@k of {config.model.name} on {config.tasks.name}: {config.credit.rule}, {config.learner.steps} steps"
        )
        console.stdout.print(comparison_table(result.base, result.final))
    elif result.final is not None:
        console.stdout.print(passk_table(result.final.curve, confidence=result.final.confidence))
    console.stdout.print(f"run: {result.run.path}\nweights: {result.checkpoint.policy}", soft_wrap=True)

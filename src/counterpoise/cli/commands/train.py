"""`counterpoise train`: start a run from a run file, or continue one from its directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from counterpoise.cli import completion, console
from counterpoise.cli.named import named_config
from counterpoise.errors import UsageError
from counterpoise.garbage import importing_the_engine
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.build.problems import Problems
    from counterpoise.evaluation.summary import EvaluationResult
    from counterpoise.runs.directory import RunDirectory

__all__ = ["train"]


def train(
    run: Annotated[Path, typer.Argument(help="A run file (TOML), or the directory of a run to continue.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE|FILE.toml",
            help="Settings, or further run files, that replace the file's.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would happen, and write nothing.")
    ] = False,
    samples: Annotated[
        int,
        typer.Option(
            min=0,
            max=5,
            metavar="N",
            help="Print so many rollouts every diagnostics.samples_every steps, a right one and a wrong one first.",
        ),
    ] = 0,
) -> None:
    """Train a policy and measure pass@k before and after.

    counterpoise train recipes/lab.toml
    counterpoise train recipes/lab.toml credit.rule=nsr run.name=lab-nsr
    counterpoise train recipes/lab.toml credit.settings.lambda=0.2 run.seed=1 run.name=lab-0.2
    counterpoise train recipes/paper/qwen3-4b.toml recipes/paper/rules/nsr.toml
    counterpoise train recipes/lab.toml --samples 2   print a right and a wrong rollout now and then
    counterpoise train recipes/lab.toml --dry-run     look at device, sizes and the first prompt; nothing is written
    counterpoise train runs/lab                       continue after a kill or Ctrl-C
    counterpoise train runs/lab learner.steps=200     train a finished run further

    A path in a run file is relative to the file, a typed one to the current directory; a run is continued from any directory.
    Writes metrics.jsonl, checkpoints and evaluations under run.directory/run.name (docs/engines.md).
    """
    settings = overrides or []
    if not run.is_dir():
        config = named_config(run, settings)
    from counterpoise.build.checks import check_run
    from counterpoise.runs.directory import RunDirectory

    # torch is imported after this, when the run is known to be good as far as names and files go.
    if run.is_dir():
        opened = RunDirectory.read(run, settings)
        opened.refuse_missing("train", kinds=("input", "model"))
        problems = check_run(opened.config, started=any(opened.checkpoints.glob("step-*")))
    else:
        if "RANK" not in os.environ:  # several processes are refused together, by `create`
            RunDirectory.planned(config)
        problems = check_run(config)
    if samples and not (opened.config if run.is_dir() else config).diagnostics.samples_every:
        raise UsageError(
            "--samples prints the rollouts that a run keeps, and diagnostics.samples_every=0 keeps none; set it to a number of steps"
        )
    from counterpoise.cli.live import LiveObserver

    with importing_the_engine():
        from counterpoise.engines.local import train as run_training
        from counterpoise.processes import is_main

    if dry_run:
        _try(opened if run.is_dir() else RunDirectory.planned(config), problems)
        return
    directory = RunDirectory.open(run, settings) if run.is_dir() else RunDirectory.create(config)
    with LiveObserver(samples=samples) as observer:
        result = run_training(directory, observer=observer, problems=problems)
    if is_main():
        show_result(result)


def _try(run: RunDirectory, problems: Problems) -> None:
    """Print what the run would begin with."""
    from counterpoise.engines.local.dry_run import dry_run
    from counterpoise.processes import is_main

    said = dry_run(run, problems=problems)
    if is_main():
        for line in said:
            console.stdout.print(Text(line), soft_wrap=True)
        console.note(f"dry run: nothing was written; without --dry-run it goes into {run.path}")


def show_result(result: object) -> None:
    """The pass@k table of a finished run, its directory, and what to do next."""
    from counterpoise.cli.views.passk import passk_table
    from counterpoise.engines.local.loop import TrainResult

    assert isinstance(result, TrainResult)
    config = result.run.config
    title = f"\npass@k of {config.model.name} on {config.tasks.name}: {config.credit.rule}, {counted(result.checkpoint.step, 'step')}"
    if result.base is not None and result.final is not None:
        # Not the table's own title, which would be folded to the table's width.
        console.stdout.print(title)
        _show_pair(result.base, result.final)
    elif result.final is not None:
        console.stdout.print(passk_table(result.final.curve, confidence=result.final.confidence))
    console.stdout.print(f"run: {result.run.path}\nweights: {result.checkpoint.policy}", soft_wrap=True)


def _show_pair(base: EvaluationResult, final: EvaluationResult) -> None:
    """Both curves and their difference, where they can be compared: a resumed run may be evaluated otherwise than its base was."""
    from counterpoise.cli.views.passk import comparison_table, passk_table

    ids = [{problem.problem_id for problem in result.counts} for result in (base, final)]
    ks = [{point.k for point in result.curve} for result in (base, final)]
    common = ids[0] & ids[1]
    if base.manifest.settings != final.manifest.settings:
        why = "the base was drawn with other settings of [evaluation]"
    elif not common:
        why = "the base answered other problems"
    elif not ks[0] & ks[1]:
        why = "the base was evaluated at other k"
    else:
        console.stdout.print(comparison_table(base, final, common=True))
        if ids[0] != ids[1]:
            console.note(
                f"compared on the {counted(len(common), 'problem')} that both answered; the base answered "
                f"{len(ids[0])}, the policy {len(ids[1])}"
            )
        return
    for name, result in (("base", base), ("after", final)):
        console.stdout.print(passk_table(result.curve, confidence=result.confidence, title=name))
    console.note(
        f"{why}, so there is no difference between the two; evaluate both alike with: counterpoise eval RUN --checkpoints base,last"
    )

"""`counterpoise eval`: pass@k of a model or of a run's checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console

__all__ = ["evaluate"]


def evaluate(
    target: Annotated[
        str, typer.Argument(metavar="MODEL|RUN", help="Model name, path or hub id; or a run's directory.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings of a run file, e.g. tasks.settings.count=4."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task (a model needs one; a run has its own).")] = None,
    n: Annotated[
        int | None, typer.Option(min=1, help="Rollouts for each problem; 256 unless the run says otherwise.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option(help="A k of the curve; repeat it for more. Powers of two up to n otherwise.")
    ] = None,
    problems: Annotated[
        int | None, typer.Option(min=1, help="Use so many test problems; 128 unless the run says otherwise.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="Checkpoint of a run; the newest otherwise.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where rollouts and passk.json go; runs/eval-MODEL-TASK otherwise.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for a model (a run has its own).")] = 0,
) -> None:
    """Draw n responses for each test problem, grade them, and print pass@k with intervals over problems.

    Rollouts are stored as they come: interrupt it, run it again, or raise --n, and only what is missing is drawn.

    counterpoise eval lab --task countdown --n 256
    counterpoise eval lab:weak --task countdown tasks.settings.count=4
    counterpoise eval runs/demo-nsr-seed0 --n 512
    counterpoise eval HuggingFaceTB/SmolLM2-135M-Instruct --task gsm8k tasks.test=test.jsonl --problems 50 --n 8
    """
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.table import passk_table
    from counterpoise.runfile import parse_config

    wanted = {"n": n, "k": k or None, "problems": problems}
    settings = [
        *(overrides or []),
        *(f"evaluation.{name}={value}" for name, value in wanted.items() if value is not None),
    ]
    is_run = (Path(target) / "config.toml").is_file()
    if not is_run:
        if task is None:
            raise UsageError(
                f"'{target}' is a model, so a task is needed: --task countdown (see: counterpoise tasks list)"
            )
        if step is not None:
            raise UsageError(f"--step chooses a checkpoint of a run, and {target} is no run directory")
        own = [f'model.name="{target}"', f'tasks.name="{task}"', f"run.seed={seed}"]
        config = parse_config({}, [*own, *settings], source="command line")

    from counterpoise.cli.live import LazyProgress
    from counterpoise.engines.evaluate import evaluate_model, evaluate_run
    from counterpoise.engines.run_directory import RunDirectory

    with LazyProgress(f"evaluating {target}") as show:
        if is_run:
            if task is not None or out is not None:
                raise UsageError("a run has its own task and directory; leave --task and --out away")
            run = RunDirectory.read(Path(target), settings)
            step, result = evaluate_run(run, step=step, on_progress=show)
            directory = run.evaluation(step)
        else:
            directory = out or Path("runs") / f"eval-{re.sub(r'[^A-Za-z0-9.]+', '-', target)}-{task}"
            result = evaluate_model(config, directory=directory, on_progress=show)
    label = f"{target} at step {step}" if is_run else target
    console.stdout.print(passk_table(result.curve, confidence=result.confidence, title=f"pass@k of {label}"))
    console.stdout.print(f"rollouts, verdicts and passk.json: {directory}", soft_wrap=True)

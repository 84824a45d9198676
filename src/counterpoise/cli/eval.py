"""`counterpoise eval`: pass@k of a model or of a run's checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import completion, console
from counterpoise.cli.passk import EVERY_K, METRIC_HELP, parse_ks
from counterpoise.cli.subject import refuse_contradictions, run_and_step

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.runs.directory import RunDirectory

__all__ = ["evaluate"]

_FLAGS = {
    "tasks.name": "--task",
    "evaluation.n": "--n",
    "evaluation.k": "--k",
    "evaluation.problems": "--problems",
    "run.seed": "--seed",
}
"""Settings that have a flag of their own."""


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN", help="Model name, path or hub id; or a run's directory, RUN@STEP for one checkpoint."
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of a run file, e.g. tasks.settings.count=4.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task (a model needs one; a run has its own).")] = None,
    n: Annotated[
        int | None, typer.Option(min=1, help="Rollouts for each problem; 256 unless the run says otherwise.")
    ] = None,
    k: Annotated[
        list[str] | None,
        typer.Option("--k", help="Tries, e.g. 1,8,64, or all; may be repeated. Default: powers of two up to n."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help=METRIC_HELP)] = None,
    problems: Annotated[
        int | None, typer.Option(min=1, help="Use so many test problems; 128 unless the run says otherwise.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="Checkpoint of a run; the newest otherwise.")] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Several checkpoints of a run: all, base, best, last or steps, e.g. base,100,200."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where rollouts and passk.json go; runs/eval-MODEL-TASK otherwise.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed for a model, 0 otherwise; a run has its own.")] = None,
) -> None:
    """Draw n responses for each test problem, grade them, and print pass@k with intervals over problems.

    Rollouts are stored as they come: interrupt it, run it again, or raise --n, and only what is missing is drawn.

    counterpoise eval lab --task countdown --n 256
    counterpoise eval lab:weak --task countdown tasks.settings.count=4
    counterpoise eval runs/demo-nsr-seed0 --n 512
    counterpoise eval runs/demo-nsr-seed0 --checkpoints all
    counterpoise eval runs/demo-nsr-seed0 evaluation.temperature=0.6
    counterpoise eval HuggingFaceTB/SmolLM2-135M-Instruct --task gsm8k tasks.test=test.jsonl --problems 50 --n 8
    """
    from counterpoise.cli.views.passk import estimates_table, passk_table
    from counterpoise.errors import UsageError
    from counterpoise.evaluation.metrics import metric_names
    from counterpoise.evaluation.result_lines import result_lines
    from counterpoise.runfile import parse_config
    from counterpoise.runs.directory import RunDirectory

    metrics = metric_names(metric or [])

    flags = {
        "tasks.name": task,
        "evaluation.n": n,
        "evaluation.k": (EVERY_K if k == [EVERY_K] else parse_ks(k)) if k else None,
        "evaluation.problems": problems,
        "run.seed": seed,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    settings = overrides or []
    refuse_contradictions(settings, given, _FLAGS)
    path, chosen = run_and_step(target)
    is_run = (path / "config.toml").is_file()
    if is_run:
        if any(value is not None for value in (task, out, seed)):
            raise UsageError("a run has its own task, seed and directory; leave --task, --seed and --out away")
        if chosen is not None and (step is not None or checkpoints is not None):
            raise UsageError(f"{target} chooses a step, and so does the option; leave one of them away")
        step = chosen if step is None else step
        if step is not None and checkpoints is not None:
            raise UsageError("--step chooses one checkpoint and --checkpoints several; leave one of them away")
        config = None
        settings = [*settings, *(f"{name}={value}" for name, value in given.items())]
    else:
        if chosen is not None:
            raise UsageError(f"{target}: @ chooses a step of a run, and {path} is no run directory (no config.toml)")
        # check_directory has words of its own for a LoRA adapter.
        if path.is_dir() and not any((path / name).exists() for name in ("config.json", "adapter_config.json")):
            raise UsageError(
                f"{target} is neither a run (no config.toml) nor a model (no config.json); give a run's directory, "
                "a directory that save_pretrained wrote, or a model's name"
            )
        if task is None:
            raise UsageError(
                f"'{target}' is a model, so a task is needed: --task countdown (see: counterpoise tasks list)"
            )
        if step is not None or checkpoints is not None:
            option = "--checkpoints" if step is None else "--step"
            raise UsageError(f"{option} chooses a checkpoint of a run, and {target} is no run directory")
        sections: dict[str, dict[str, object]] = {"model": {"name": target}}
        for name, value in given.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = value
        config = parse_config(sections, settings, source="command line")

    from counterpoise.build.checks import check_evaluation

    if config is None:
        opened = RunDirectory.read(path, settings)
        opened.refuse_missing("eval")
        check_evaluation(opened.config, model=False)
    else:
        check_evaluation(config)
    from counterpoise.cli.live import LazyProgress
    from counterpoise.evaluation.endings import unread_endings
    from counterpoise.evaluation.store import RolloutStore
    from counterpoise.jobs.evaluate import evaluate_model, evaluate_run

    if checkpoints is not None:
        _checkpoints(RunDirectory.read(path, settings), checkpoints, metrics)
        return
    with LazyProgress(f"evaluating {target}") as show:
        if config is None:
            run = RunDirectory.read(path, settings)
            step, result = evaluate_run(run, step=step, on_progress=show, say=console.note)
            directory = run.evaluation(step)
        else:
            directory = out or _directory(target, task, config)
            result = evaluate_model(config, directory=directory, on_progress=show, say=console.note)
    label = f"{path} at step {step}" if is_run else target
    console.stdout.print(passk_table(result.curve, confidence=result.confidence, title=f"pass@k of {label}"))
    if metrics:
        console.stdout.print(estimates_table(result.estimates, metrics, confidence=result.confidence))
    for line in (*result_lines(result), *unread_endings(RolloutStore(directory), result).lines()):
        console.note(line)
    console.stdout.print(f"rollouts, verdicts and passk.json: {directory}", soft_wrap=True)


def _directory(target: str, task: str | None, config: RunConfig) -> Path:
    """`runs/eval-MODEL-TASK`; with the sampling in its name where that one was drawn at another."""
    from counterpoise.files import read_json
    from counterpoise.runs.directory import sampling_name

    plain = Path("runs") / f"eval-{re.sub(r'[^A-Za-z0-9.]+', '-', target)}-{task}"
    wanted = config.evaluation
    asked = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "top_k": wanted.top_k,
        "max_tokens": wanted.max_tokens or config.rollout.max_tokens,
    }
    try:
        there = read_json(plain / "manifest.json")["settings"]
        drawn = {name: there[name] for name in asked}
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
    ):  # nothing, or nothing that can be read: the store will say what
        return plain
    if drawn == asked:
        return plain
    if drawn["max_tokens"] == asked["max_tokens"]:
        del asked["max_tokens"]
    return plain.with_name(f"{plain.name}-{sampling_name(asked)}")


def _checkpoints(run: RunDirectory, which: str, metrics: Sequence[str]) -> None:
    """Evaluate several checkpoints and show them in one table; exit code 1 when one could not be evaluated."""
    from counterpoise.cli.live import LazyProgress
    from counterpoise.cli.views.passk import estimates_table
    from counterpoise.cli.views.progression import progression_table
    from counterpoise.jobs.checkpoints import chosen_steps, evaluate_checkpoints

    steps = chosen_steps(run, [word.strip() for word in which.split(",")], say=console.note)
    with ExitStack() as stack:
        bars: dict[int, LazyProgress] = {}

        def show(step: int, done: int, total: int) -> None:
            if step not in bars:
                stack.close()
                label = f"evaluating {f'step {step}' if step else 'base'} ({steps.index(step) + 1} of {len(steps)})"
                bars[step] = stack.enter_context(LazyProgress(label))
            bars[step](done, total)

        made = evaluate_checkpoints(run, steps, on_progress=show, say=console.note)
    failed = [one for one in made if one.result is None]
    results = [(one.step, one.result) for one in made if one.result is not None]
    if results:
        console.stdout.print(progression_table(results, title=f"pass@k of {run.path} by training step"))
    for step, result in results if metrics else ():
        title = f"step {step}" if step else "base"
        console.stdout.print(estimates_table(result.estimates, metrics, confidence=result.confidence, title=title))
    reused = [str(one.step) for one in made if one.reused]
    if reused:
        console.note(f"finished before and not drawn again: step {', '.join(reused)}")
    if results and results[0][0] != 0 and len(results) > 1:
        console.note(f"differences are from step {results[0][0]}; add base to compare with the model before training")
    for one in failed:
        console.error(f"step {one.step} was skipped: {one.error}")
    console.stdout.print(f"rollouts, verdicts and passk.json: {run.evaluations}/step-…", soft_wrap=True)
    if failed:
        raise typer.Exit(1)

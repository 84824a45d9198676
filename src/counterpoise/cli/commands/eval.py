"""`counterpoise eval`: pass@k of a model or of a run's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import completion, console
from counterpoise.cli.commands.passk import EVERY_K, METRIC_HELP, parse_ks
from counterpoise.cli.evaluated import evaluation_folder, result_json, sections_of, show_result
from counterpoise.cli.served import ServedQuestion, evaluate_addresses, is_address
from counterpoise.cli.subject import refuse_contradictions, refuse_no_model
from counterpoise.cli.sweep import SWEEP_HELP, refuse_swept
from counterpoise.cli.sweep_local import sweep_model, sweep_run
from counterpoise.errors import UsageError
from counterpoise.garbage import importing_the_engine
from counterpoise.targets import refuse_step, run_and_step

if TYPE_CHECKING:
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

_PANEL = "A served model"


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN|URL",
            help="Model name, path or hub id; a run's directory, RUN@STEP for one checkpoint; or a server's base address, several of "
            "them with a space between.",
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
    sweep: Annotated[list[str] | None, typer.Option("--sweep", metavar="KEY=VALUE,…", help=SWEEP_HELP)] = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; shares in [0, 1].")] = False,
    model: Annotated[
        str | None,
        typer.Option(help="The model's name there; needed unless the server lists one.", rich_help_panel=_PANEL),
    ] = None,
    per_request: Annotated[
        int | None, typer.Option(help="Responses that a request asks for; 8 otherwise.", rich_help_panel=_PANEL)
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests at a time, to each server; 16 otherwise.", rich_help_panel=_PANEL)
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for one request; 600 otherwise.", rich_help_panel=_PANEL)
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(help="Further attempts after a failure that may pass; 5 otherwise.", rich_help_panel=_PANEL),
    ] = None,
    key_variable: Annotated[
        str | None,
        typer.Option(help="Environment variable that holds the key; OPENAI_API_KEY otherwise.", rich_help_panel=_PANEL),
    ] = None,
) -> None:
    """Draw n responses for each test problem, grade them, and print pass@k with intervals over problems.

    Rollouts are stored as they come: interrupt it, run it again, or raise --n, and only what is missing is drawn.

    counterpoise eval lab --task countdown --n 256
    counterpoise eval lab:weak --task countdown tasks.settings.count=4
    counterpoise eval runs/demo-nsr-seed0 --n 512
    counterpoise eval runs/demo-nsr-seed0 --checkpoints all
    counterpoise eval runs/demo-nsr-seed0@100 --sweep temperature=0.2,0.6,1.0
    counterpoise eval HuggingFaceTB/SmolLM2-135M-Instruct --task gsm8k tasks.test=test.jsonl --problems 50 --n 8
    counterpoise eval http://127.0.0.1:8000/v1 --model Qwen/Qwen3-8B --task gsm8k tasks.test=test.jsonl evaluation.max_tokens=2048
    counterpoise eval http://a:8000/v1 http://b:8000/v1 --model Qwen/Qwen3-8B --task gsm8k tasks.test=test.jsonl --n 256
    """
    metrics, swept = _asked(metric, sweep)
    flags = {
        "tasks.name": task,
        "evaluation.n": n,
        "evaluation.k": (EVERY_K if k == [EVERY_K] else parse_ks(k)) if k else None,
        "evaluation.problems": problems,
        "run.seed": seed,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    urls = [target, *filter(is_address, overrides or [])] if is_address(target) else []
    settings = [one for one in overrides or [] if one not in urls]
    refuse_contradictions(settings, given, _FLAGS)
    refuse_swept(swept, settings)
    if swept and checkpoints is not None:
        raise UsageError("--sweep goes over settings and --checkpoints over steps; leave one of them away")
    options = {
        "model": model,
        "per_request": per_request,
        "concurrency": concurrency,
        "timeout": timeout,
        "retries": retries,
        "key_variable": key_variable,
    }
    serving = {name: value for name, value in options.items() if value is not None}
    path, chosen = (Path(target), None) if urls or serving else run_and_step(target)
    if urls:
        _refuse_checkpoints(step, checkpoints, f"{target} is the address of a server")
        asked = ServedQuestion(task=task, given=given, settings=settings, out=out, metrics=metrics, as_json=as_json)
        evaluate_addresses(urls, serving, asked, swept)
    elif serving:
        option = f"--{next(iter(serving)).replace('_', '-')}"
        raise UsageError(
            f"{option} is of a server, and {target} is not an address; one begins with http:// or https://"
        )
    elif (path / "config.toml").is_file():
        if any(value is not None for value in (task, out, seed)):
            raise UsageError("a run has its own task, seed and directory; leave --task, --seed and --out away")
        step = _step_of_run(target, chosen, step, checkpoints)
        settings += (f"{name}={value}" for name, value in given.items())
        if swept:
            sweep_run(path, step, settings, swept, metrics, as_json=as_json)
        else:
            _evaluate_run(target, path, step, checkpoints, settings, metrics, as_json=as_json)
    else:
        refuse_step(target, path, chosen)
        refuse_no_model(target, task)
        _refuse_checkpoints(step, checkpoints, f"{target} is not a run directory")
        if swept:
            sweep_model(target, given, settings, swept, metrics, out=out, as_json=as_json)
        else:
            _evaluate_model(target, given, settings, metrics, out=out, as_json=as_json)


def _refuse_checkpoints(step: int | None, checkpoints: str | None, why: str) -> None:
    """Refuse the options that choose among a run's checkpoints."""
    if step is not None or checkpoints is not None:
        option = "--checkpoints" if step is None else "--step"
        raise UsageError(f"{option} chooses a checkpoint of a run, and {why}")


def _step_of_run(target: str, chosen: int | None, step: int | None, checkpoints: str | None) -> int | None:
    """The step that `RUN@STEP` or `--step` chooses; None for the newest."""
    if chosen is not None and (step is not None or checkpoints is not None):
        raise UsageError(f"{target} chooses a step, and so does the option; leave one of them away")
    if step is not None and checkpoints is not None:
        raise UsageError("--step chooses one checkpoint and --checkpoints several; leave one of them away")
    return chosen if step is None else step


def _evaluate_run(
    target: str,
    path: Path,
    step: int | None,
    checkpoints: str | None,
    settings: Sequence[str],
    metrics: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """One checkpoint of a run, or several."""
    from counterpoise.build.checks import check_evaluation
    from counterpoise.runs.directory import RunDirectory

    run = RunDirectory.read(path, settings)
    run.refuse_missing("eval")
    check_evaluation(run.config, model=False)
    if checkpoints is not None:
        _checkpoints(run, checkpoints, metrics, as_json=as_json)
        return
    from counterpoise.cli.live import LazyProgress

    with importing_the_engine():
        from counterpoise.jobs.evaluate import evaluate_run

    with LazyProgress(f"evaluating {target}") as show:
        step, result = evaluate_run(run, step=step, on_progress=show, say=console.note)
    show_result(result, run.evaluation(step), f"{path} at step {step}", metrics, as_json=as_json)


def _evaluate_model(
    target: str,
    given: Mapping[str, object],
    settings: Sequence[str],
    metrics: Sequence[str],
    *,
    out: Path | None,
    as_json: bool,
) -> None:
    """A model by its name or directory."""
    from counterpoise.build.checks import check_evaluation
    from counterpoise.runfile import parse_config

    config = parse_config({"model": {"name": target}, **sections_of(given)}, settings, source="command line")
    check_evaluation(config)
    from counterpoise.cli.live import LazyProgress

    with importing_the_engine():
        from counterpoise.jobs.evaluate import evaluate_model

    with LazyProgress(f"evaluating {target}") as show:
        directory = out or evaluation_folder(target, config)
        result = evaluate_model(config, directory=directory, on_progress=show, say=console.note)
    show_result(result, directory, target, metrics, as_json=as_json)


def _asked(metric: Sequence[str] | None, sweep: Sequence[str] | None) -> tuple[list[str], list[dict[str, str]]]:
    """Names of metrics and settings that are gone over; most ask for neither, and what reads them imports all of statistics."""
    metrics: list[str] = []
    swept: list[dict[str, str]] = []
    if metric:
        from counterpoise.evaluation.statistics.metrics import metric_names

        metrics = metric_names(metric)
    if sweep:
        from counterpoise.evaluation.sweep import settings_of_sweep

        swept = settings_of_sweep(sweep)
    return metrics, swept


def _checkpoints(run: RunDirectory, which: str, metrics: Sequence[str], *, as_json: bool) -> None:
    """Evaluate several checkpoints and show them in one table, or as JSON; exit code 1 when one could not be evaluated."""
    from counterpoise.cli.live import LazyProgress
    from counterpoise.cli.views.passk import estimates_table
    from counterpoise.cli.views.progression import progression_table

    with importing_the_engine():
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
    if as_json:
        steps_json = [
            {"step": one.step, "reused": one.reused, "error": one.error}
            | ({} if one.result is None else result_json(one.result, run.evaluation(one.step)))
            for one in made
        ]
        console.print_json({"name": str(run.path), "steps": steps_json})
    elif results:
        console.stdout.print(progression_table(results, title=f"pass@k of {run.path} by training step"))
    for step, result in results if metrics and not as_json else ():
        title = f"step {step}" if step else "base"
        console.stdout.print(estimates_table(result.estimates, metrics, confidence=result.confidence, title=title))
    reused = [str(one.step) for one in made if one.reused]
    if reused:
        console.note(f"finished before and not drawn again: step {', '.join(reused)}")
    if results and results[0][0] != 0 and len(results) > 1:
        console.note(f"differences are from step {results[0][0]}; add base to compare with the model before training")
    for one in failed:
        console.error(f"step {one.step} was skipped: {one.error}")
    if not as_json:
        console.stdout.print(f"rollouts, verdicts and passk.json: {run.evaluations}/step-…", soft_wrap=True)
    if failed:
        raise typer.Exit(1)

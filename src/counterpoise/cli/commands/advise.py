"""`counterpoise advise`: which rule, controller and settings fit a model and a task, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import completion, console
from counterpoise.cli.commands.tasks import task_names
from counterpoise.cli.subject import refuse_contradictions, subject_of
from counterpoise.errors import UsageError

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.diagnostics.advice.result import Choice
    from counterpoise.jobs.advise import Advised
    from counterpoise.jobs.sizing import Pace, Times

__all__ = ["advise", "models"]

_FLAGS = {"tasks.name": "--task", "rollout.group_size": "--group-size", "run.seed": "--seed"}
"""Settings that have a flag of their own."""
_HALVINGS = 9
"""Of what a run that is too long trains: to half a percent."""
_LONGEST = 1_000_000
"""Steps with which a run sees its problems as often as one can."""


def models(incomplete: str) -> list[str]:
    """Names of packaged models that begin like this, for tab completion."""
    from counterpoise.models.registry import MODELS

    return [name for name in MODELS if name.startswith(incomplete)]


def _hours(hours: float | None) -> float | None:
    if hours is not None and console.finite(hours) <= 0:
        raise typer.BadParameter(f"{hours:g} is not a time; give a number above 0, e.g. 2 or 0.5")
    return hours


def advise(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN.toml|RUN",
            help="Model name, path or hub id; a run file; or a run, at its newest step or RUN@STEP.",
            autocompletion=models,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of a run file, e.g. rollout.max_tokens=512.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Task (a model other than lab needs one; a run or run file has its own).", autocompletion=task_names
        ),
    ] = None,
    problems: Annotated[int, typer.Option(min=1, help="Training problems that are measured.")] = 64,
    group_size: Annotated[
        int | None, typer.Option(min=1, help="Responses for each; 8 unless the run file says otherwise.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of problems and draws.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN.toml", help="Write a run file that follows the advice.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            help="Size steps, prompts and evaluations so that the run takes about so long here.", callback=_hours
        ),
    ] = None,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen",
            help="Measure whether training can do more than a lower temperature: with worked examples and colder.",
        ),
    ] = False,
    shots: Annotated[int | None, typer.Option(min=1, help="Worked examples of --screen (4).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
) -> None:
    """Measure a few responses to training problems, and say which rule, controller and settings fit, and why.

    Responses are drawn as training would draw them and judged; nothing is trained or kept. See docs/advise.md for the rules of thumb and
    the runs behind them.

    counterpoise advise lab
    counterpoise advise lab:weak -o weak.toml
    counterpoise advise lab:weak -o weak.toml --hours 0.5
    counterpoise advise recipes/lab.toml credit.rule=nsr
    counterpoise advise smollm2 --task ranks --screen --problems 16 --group-size 4 rollout.max_tokens=12
    counterpoise advise smollm2 --task facts --problems 8 --group-size 4 rollout.max_tokens=64
    counterpoise advise HuggingFaceTB/SmolLM2-135M-Instruct --task gsm8k tasks.train=train.jsonl tasks.test=test.jsonl --json
    """
    flags = {"tasks.name": task, "rollout.group_size": group_size, "run.seed": seed}
    given = {name: value for name, value in flags.items() if value is not None}
    typed = overrides or []
    is_file = target.endswith(".toml") and not Path(target).is_dir()
    before_step = target.rpartition("@")[0] or target
    is_run = not is_file and any((Path(part) / "config.toml").is_file() for part in (target, before_step))
    refuse_contradictions(typed, given, _FLAGS, model_is_target=not is_file and not is_run)
    if shots is not None and not screen:
        raise UsageError("--shots counts the worked examples of --screen; give both, or neither")
    if out is not None:
        _refuse_out(out, is_run)
    settings = [*typed, *(f"{name}={value}" for name, value in given.items())]
    config, saved, name = _of_file(target, settings, task) if is_file else subject_of(target, settings, task)
    if is_file or is_run:
        own_rule = bool(config.credit.model_fields_set & {"rule", "controller"})
    else:  # a lab model has the demo's settings, which nobody chose
        own_rule = any(override.startswith(("credit.rule=", "credit.controller=")) for override in typed)

    from counterpoise.build.checks import check_run

    check_run(config, evaluates=False)
    from counterpoise.cli.live import LazyProgress
    from counterpoise.cli.views.advise import run_file, show, show_sizes
    from counterpoise.jobs.advise import advise as look
    from counterpoise.jobs.screen import SHOTS

    with LazyProgress(f"measuring {name}") as progress:
        found = look(
            config,
            problems=problems,
            own_rule=own_rule,
            saved=saved,
            name=name,
            timed=out is not None or hours is not None,
            shots=(shots or SHOTS) if screen else 0,
            on_progress=progress,
            say_line=console.note,
        )
    sized = _size(config, found, hours)
    if json:
        console.print_json(asdict(sized.found) | _as_json(sized.sizes, sized.times))
    else:
        show(sized.found)
        if sized.times is not None:
            show_sizes(sized.sizes, str(sized.times))
    if sized.late is not None:
        raise sized.late
    if out is not None:  # after the rest, which a full disk should not cost
        from counterpoise.files import atomic_write_text

        atomic_write_text(out, run_file(config, sized.found, sizes=sized.sizes, times=str(sized.times)))
        console.note(f"run file: {out}; train it with: counterpoise train {out}")


@dataclass(frozen=True, slots=True)
class _Sized:
    found: Advised
    """What was measured, advised on for a run of that size."""
    sizes: Sequence[Choice]
    """What was chosen so that the run takes the hours asked for."""
    times: Times | None
    """How long it takes, where the pace was measured."""
    late: UsageError | None
    """Why no size takes so few hours; raised after the rest is shown."""


def _size(config: RunConfig, found: Advised, hours: float | None) -> _Sized:
    """Fit the run that follows the advice into the hours, if any, and say how long it takes."""
    late: UsageError | None = None
    if found.pace is not None and hours is not None:
        try:
            return _largest(config, found, found.pace, hours)
        except UsageError as error:
            late = error
    return replace(_sized(config, found, []), late=late)


def _largest(config: RunConfig, found: Advised, pace: Pace, hours: float) -> _Sized:
    """The longest run that follows the advice for its own size and fits.

    A longer run may get a guard that draws and a base that is read, with which fewer steps fit; a shorter one, or one of fewer prompts, may
    lose them, or look less often. So runs are sized with what runs of other sizes would get.

    Raises:
        UsageError: the time is not enough for a single prompt.
    """
    from counterpoise.cli.views.advise import followed
    from counterpoise.jobs.advise import resized

    late = UsageError(f"{hours:g} hours are not enough for a run and what guards draw in it; give more")
    sizes = [(steps, prompts) for prompts in (config.rollout.prompts_per_step, 1) for steps in (1, _LONGEST)]
    runs = list[_Sized]()
    for steps, prompts in sizes:  # grows by the prompts that come out
        own = followed(config, resized(found, steps=steps, prompts=prompts))
        try:
            run = _longest(config, found, own, pace, hours)
        except UsageError as error:
            late = error
            continue
        runs.append(run)
        again = steps, run.found.plan.prompts_per_step
        sizes += [again] if again not in sizes else []
    best = max(runs, key=lambda run: _fit(run, hours), default=None)
    if best is None or _fit(best, hours) < 0:
        raise late
    return best


def _longest(config: RunConfig, found: Advised, own: RunConfig, pace: Pace, hours: float) -> _Sized:
    """The longest run sized as `own` that fits, or the shortest that was tried where none does.

    Where its size gives it what it was not sized for, and it comes out too long, the largest share of its training that fits is looked for
    by halving.

    Raises:
        UsageError: the time is not enough for a single prompt.
    """
    from counterpoise.jobs.sizing import size_to

    kinds, share, low, high = _kinds(found), 1.0, 0.0, 1.0
    best = None
    for _ in range(_HALVINGS):
        try:
            run = _sized(config, found, size_to(own, pace, hours=hours, kinds=kinds, trained=share))
        except UsageError:
            if best is None:
                raise
            low = share
        else:
            fits = _fit(run, hours) >= 0
            best = run if best is None or _fit(run, hours) > _fit(best, hours) else best
            low, high = (share, high) if fits else (low, share)
        if low == 1.0:
            break
        share = (low + high) / 2
    assert best is not None
    return best


def _fit(sized: _Sized, hours: float) -> float:
    """The hours it takes; below 0 where that is more than it may, the less the longer."""
    taken = 0.0 if sized.times is None else sized.times.total / 3600.0
    return taken if taken <= hours else -taken


def _sized(config: RunConfig, found: Advised, sizes: Sequence[Choice]) -> _Sized:
    """The advice for a run of these sizes, and how long it takes."""
    from counterpoise.cli.views.advise import followed
    from counterpoise.jobs.advise import resized
    from counterpoise.jobs.sizing import times_of

    run = followed(config, found, sizes=sizes)
    found = resized(found, steps=run.learner.steps, prompts=run.rollout.prompts_per_step)
    run = followed(config, found, sizes=sizes)
    return _Sized(found, sizes, None if found.pace is None else times_of(run, found.pace, kinds=_kinds(found)), None)


def _kinds(found: Advised) -> int:
    return max(1, len(found.plan.problems))


def _as_json(sizes: Sequence[Choice], times: Times | None) -> dict[str, object]:
    if times is None:
        return {}
    return {"sizes": [asdict(choice) for choice in sizes], "times": asdict(times) | {"total": times.total}}


def _of_file(target: str, settings: list[str], task: str | None) -> tuple[RunConfig, Path | None, str]:
    from counterpoise.runfile import load_config

    if task is not None:
        raise UsageError(f"{target} is a run file and has its own task; leave --task away, or write tasks.name={task}")
    config = load_config(Path(target), settings)
    return config, None, config.model.name


def _refuse_out(out: Path, is_run: bool) -> None:
    if is_run:
        raise UsageError("a run goes on with the rule it began with; -o writes a run file for a model or a run file")
    if out.exists():
        raise UsageError(f"--out {out} exists already and would be replaced; name another file, or delete it")

"""`counterpoise watch`: a run in progress, or one that is done, on the terminal."""

from __future__ import annotations

import math
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import console
from counterpoise.cli.output import lost
from counterpoise.cli.views.samples import show_samples
from counterpoise.columns import columns
from counterpoise.errors import UsageError
from counterpoise.runs.ended import last_step
from counterpoise.targets import run_and_step
from counterpoise.text import counted, lasting

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from counterpoise.config import RunConfig
    from counterpoise.runs.following import FollowedRun

__all__ = ["watch"]

_ROWS = columns(
    "reward success_rate entropy_sampled polarity_share_tokens weight_plus weight_minus groups_all_right groups_all_wrong "
    "groups_mixed distinct_answers repetition truncated_share unscored no_answer_share gradient_norm tokens_per_second "
    "peak_memory_gib"
)

_BARS = "▁▂▃▄▅▆▇█"
_CURVE = 20  # the table is then 78 columns wide
_EVERY = 1.0
# Less silence than this says nothing: the last steps of a tiny run take milliseconds, its checkpoint does not.
_SILENCE = 10.0


def watch(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's directory (RUN@STEP with --samples); or what TRL or verl logged.",
            show_default=False,
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="Print one look at the run and exit.")] = False,
    samples: Annotated[
        bool,
        typer.Option(
            "--samples", help="Show the newest rollouts that the run kept, with verdict and credit, and exit."
        ),
    ] = False,
) -> None:
    """Follow a run from its files: progress, metrics over the run, evaluations, events. Ends with q or Ctrl-C; the run goes on.

    For each metric: its latest value, the mean of the last 10 steps, how far that is from the mean of the first 10, and its course over the
    steps so far. Without a terminal it prints one look and exits. Of TRL a directory with checkpoints is read, of verl the lines of its
    logger `file`.

    counterpoise watch runs/nsr
    counterpoise watch runs/nsr --once
    counterpoise watch runs/nsr --samples
    counterpoise watch runs/nsr@50 --samples      those of step 50
    """
    from counterpoise.runs.directory import RunDirectory
    from counterpoise.runs.engine_logs import find_engine_log
    from counterpoise.runs.following import FollowedRun

    run, step = run_and_step(target)
    if step is not None and not samples:
        raise UsageError(f"{target}: a run is followed as a whole; @ chooses the step of --samples")
    if samples:
        show_samples(RunDirectory.read(run), step)
        return
    log = None if (run / "config.toml").is_file() else find_engine_log(run)
    config = RunDirectory.read(run).config if log is None else None
    followed = FollowedRun(run, [row.name for row in _ROWS], log=log)
    followed.refresh()
    if not once and console.stdout.is_terminal:
        config = _follow(followed, config)
    for part in _look(followed, config, now=time.time()):
        console.stdout.print(part, soft_wrap=isinstance(part, str))
    for damage in followed.damages:
        console.note(str(damage))
    if followed.damaged > len(followed.damages):
        console.note(f"{followed.damaged - len(followed.damages)} more could not be read")


def _follow(followed: FollowedRun, config: RunConfig | None) -> RunConfig | None:
    """Draw the run anew every second until q or Ctrl-C; the configuration as it is then, None for another trainer's run."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from counterpoise.runs.directory import RunDirectory

    def drawn() -> Group:
        lines = _look(followed, config, now=time.time(), height=console.stdout.height - 2)
        # The first two lines hold the command that continues the run, which must not be cut.
        parts = [
            Text(part, no_wrap=i > 1, overflow="ellipsis" if i > 1 else "fold") if isinstance(part, str) else part
            for i, part in enumerate(lines)
        ]
        if followed.damaged:
            parts.append(Text(f"{followed.damaged} could not be read, the first: {followed.damages[0]}"))
        return Group(*parts, Text("q ends this view, the run goes on", style="dim"))

    try:
        with Live(drawn(), console=console.stdout, screen=True, auto_refresh=False) as live, _keys() as keys:
            # Without a terminal nobody watches any more.
            while lost("stdout") is None and not _pressed(keys, "q", seconds=_EVERY):
                # A resume may ask for more steps.
                config = config and RunDirectory.read(followed.path).config
                followed.refresh()
                live.update(drawn(), refresh=True)
    except KeyboardInterrupt:
        pass
    return config


def _look(
    followed: FollowedRun, config: RunConfig | None, *, now: float, height: int | None = None
) -> list[RenderableType | str]:
    """Everything there is to see, in no more than `height` lines as far as evaluations and events can make room."""
    parts: list[RenderableType | str] = [
        *(_outside_state(followed, now) if config is None else _state(followed, config, now))
    ]
    if followed.step:
        parts.append(_table(followed, every=config is not None))
    room = 16 if height is None else max(2, height - len(parts) - len(_ROWS))
    evaluations = [followed.evaluations[step] for step in sorted(followed.evaluations)]
    events = list(followed.events)[-max(1, room - len(evaluations)) :]
    for found in evaluations[-max(1, room - len(events)) :]:
        ends = ", ".join(f"pass@{k} {_shown(value, '.1%')}%" for k, value in found.points)
        parts.append(f"evaluated {_named(found.step)}: {ends} ({counted(found.problems, 'problem')} x {found.n})")
    for event in events:
        kind = "" if event.get("kind") == "said" else f"{event.get('kind')}: "
        parts.append(_plain(f"{_clock(event.get('time'))} step {event.get('step')}: {kind}{event.get('message')}"))
    return parts


def _state(followed: FollowedRun, config: RunConfig, now: float) -> Iterator[str]:
    """How far the run is, and in a second line whatever is not plain progress."""
    step, seconds = followed.step, followed.step_seconds
    steps = last_step(followed.path, config.learner.steps)
    again = f"continue it with: counterpoise train {followed.path}"
    # Before the first step there is no telling how long a step takes: then no silence is too long.
    patience = math.inf if math.isnan(seconds) else max(5 * seconds, _SILENCE)
    silent = now - followed.alive_at
    finished = step >= steps and (not config.evaluation.after or step in followed.evaluations)
    stop = followed.stop
    progress = f"{followed.path}: step {step} of {steps}" if step else f"{followed.path}: {counted(steps, 'step')}"
    if not math.isnan(seconds):
        progress += f", {lasting(seconds)} a step"
        if step < steps and stop is None:
            progress += f", {lasting(seconds * (steps - step))} left"
    yield progress
    if finished:
        yield "finished"
    elif stop is not None and stop["kind"] == "guard_stopped":
        yield _plain(str(stop.get("message")))  # it says itself how to go on
    elif stop is not None:
        yield _plain(f"{stop['kind']} at step {stop.get('step')} ({stop.get('message')}); {again}")
    elif silent > patience:
        yield f"nothing was written for {lasting(silent)}, so it may have stopped; if it has, {again}"
    elif followed.evaluating is not None:
        yield f"evaluating {_named(followed.evaluating)}"
    elif step >= steps:
        yield "all steps are done, the last evaluation is not"
    elif not step:
        yield "waiting for the first step"


def _outside_state(followed: FollowedRun, now: float) -> Iterator[str]:
    """How far another trainer's run is; it does not say how many steps are to come."""
    seconds = followed.step_seconds
    pace = "" if math.isnan(seconds) else f", {lasting(seconds)} a step"
    yield f"{followed.path}: {f'step {followed.step}' if followed.step else 'waiting for the first step'}{pace}"
    if (silent := now - followed.alive_at) > _SILENCE:
        yield f"written {lasting(silent)} ago"


def _table(followed: FollowedRun, *, every: bool) -> Table:
    """The rows; unless `every`, those with a value."""
    from rich.table import Table

    from counterpoise.runs.following import WINDOW, mean

    headings = ("latest", f"last {WINDOW}", f"since first {WINDOW}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("over the run", no_wrap=True, style="cyan")
    history = followed.history
    for row in _ROWS:
        if not every and all(map(math.isnan, history.curve(row.name, _CURVE))):
            continue
        table.add_row(
            row.heading,
            _shown(history.latest(row.name), row.form),
            _shown(mean(history.last(row.name)), row.form),
            _shown(history.change(row.name), f"+{row.form.removeprefix('+')}"),
            _sparkline(history.curve(row.name, _CURVE)),
        )
    return table


def _sparkline(values: Sequence[float]) -> str:
    """One bar for each value between the smallest and the largest, a space for NaN; a line in the middle when all are equal."""
    defined = [value for value in values if not math.isnan(value)]
    low, high = min(defined, default=0.0), max(defined, default=0.0)
    top = len(_BARS) - 1

    def bar(value: float) -> str:
        if math.isnan(value):
            return " "
        return _BARS[round(top * (value - low) / (high - low))] if high > low else _BARS[top // 2]

    return "".join(map(bar, values))


def _shown(value: float, form: str) -> str:
    # Adding zero turns -0.0 into 0.0; the heading has the percent sign.
    return "–" if math.isnan(value) else format(value + 0.0, form).removesuffix("%")


def _named(step: int) -> str:
    return f"step {step}" if step else "base"


def _plain(text: str) -> str:
    """The text on one line, without what could steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _clock(seconds: object) -> str:
    try:
        if isinstance(seconds, int | float):
            return time.strftime("%H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):  # a number that is not a time
        pass
    return "--:--:--"


@contextmanager
def _keys() -> Iterator[int | None]:
    """The keyboard's descriptor, giving single keys without echo; None where standard input is not a terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int | None, key: str, *, seconds: float) -> bool:
    """Whether the key was pressed within that time; other keys are swallowed."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([] if descriptor is None else [descriptor], [], [], left)
        if ready and descriptor is not None:
            typed = os.read(descriptor, 64)
            # No bytes: the terminal is gone, and with it whoever watched.
            if not typed or key.encode() in typed.lower():
                return True
    return False

"""`counterpoise pretrain`: makes a lab model, the packaged ones included."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from counterpoise.cli import console
from counterpoise.errors import UsageError
from counterpoise.files import atomic_write_text
from counterpoise.streams import stream
from counterpoise.text import counted, lasting

if TYPE_CHECKING:
    import numpy as np

    from counterpoise.tasks.generators.countdown import Countdown
    from counterpoise.tasks.generators.paths import Paths
    from counterpoise.tasks.generators.recall import Recall
    from counterpoise.tasks.generators.snippets import Snippets
    from counterpoise.tasks.generators.units import Units
    from counterpoise.tasks.mixture import Mixture
    from counterpoise.tasks.shared.identity import Split
    from counterpoise.types import Problem

    _Shown = Paths | Recall | Snippets | Units
    _Learnt = Countdown | Mixture | _Shown

__all__ = ["pretrain", "task_of"]

_Size = Literal["strong", "weak", "graded", "paths", "questions", "units", "code"]


def task_of(size: _Size) -> _Learnt:
    """The problems that a lab model is trained on (train side; of `questions` both sides) and is measured on (test side)."""
    from counterpoise.tasks.generators.countdown import Countdown
    from counterpoise.tasks.generators.paths import Paths
    from counterpoise.tasks.generators.recall import Recall
    from counterpoise.tasks.generators.snippets import Snippets
    from counterpoise.tasks.generators.units import Units
    from counterpoise.tasks.mixture import Mixture

    if size == "paths":
        return Paths()
    if size == "questions":
        return Recall()
    if size == "units":
        return Units()
    if size == "code":
        return Snippets()
    if size == "graded":
        return Mixture(sources=({"name": "arithmetic", "verifier": "steps"}, {"name": "lengths"}))
    return Countdown(count=3, largest=20) if size == "strong" else Countdown(count=4, largest=10)


def pretrain(
    size: Annotated[_Size, typer.Option(help="Which packaged recipe to start from.")] = "strong",
    out: Annotated[Path, typer.Option(help="Directory the model is written to.")] = Path("lab_model"),
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of each stage; default: the recipe's.", min=1)
    ] = None,
    count: Annotated[int | None, typer.Option(help="Numbers per problem; default: the recipe's.")] = None,
    largest: Annotated[int | None, typer.Option(help="Largest number; default: the recipe's.")] = None,
    wrong_prior: Annotated[
        float | None,
        typer.Option(help="Share of what `paths` is shown on procedures that are never right; default: 0.6."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and data; default: the recipe's.")] = None,
    threads: Annotated[
        int, typer.Option(help="CPU threads; other numbers than 1 are rarely faster and round differently.", min=1)
    ] = 1,
) -> None:
    """Train a tiny base model from scratch on worked answers, on one idle core: two minutes (`questions`, `units`, `code`) to twenty-five.

    The model learns the format and a wide guess at the answer; making it reason better is what `counterpoise train` is for.

    For example:

      counterpoise pretrain --size strong --out runs/strong

      counterpoise pretrain --size weak --steps 200 --out runs/weaker

      counterpoise pretrain --size weak --count 3 --largest 12 --steps 1000 --out runs/three_to_twelve

      counterpoise pretrain --size paths --wrong-prior 0.3 --out runs/paths_better
    """
    import torch

    from counterpoise.models.lab import save_lab_model
    from counterpoise.models.pretrain import PRESETS
    from counterpoise.models.pretrain import pretrain as train
    from counterpoise.tasks.base import Showing

    _refuse_unwritable(out)
    stages = [
        replace(stage, seed=stage.seed if seed is None else stream(seed, "stage", i), steps=steps or stage.steps)
        for i, stage in enumerate(PRESETS[size])
    ]
    task = _with_prior(size, _with_numbers(size, task_of(size), count, largest), wrong_prior)
    torch.set_num_threads(threads)
    problems = _taught(size, task)
    console.note(f"{counted(len(problems), 'training problem')}{_described(task)}")
    model, seconds = None, 0.0
    for number, settings in enumerate(stages, start=1):
        with console.progress(f"stage {number} of {len(stages)}", total=settings.steps) as update:
            model, tokenizer, report = train(
                settings,
                problems,
                task.shown if isinstance(task, Showing) else _demonstrate,
                start=model,
                on_step=functools.partial(_show, update),
            )
        seconds += report.seconds
        # after each stage: an interrupted second stage leaves the first one's model
        save_lab_model(model, tokenizer, out)
    recipe = {
        "task": asdict(task),
        "stages": [asdict(settings) for settings in stages],
        "threads": threads,
        "parameters": report.parameters,
        "train_problems": len(problems),
        "final_loss": round(sum(report.losses[-50:]) / len(report.losses[-50:]), 4),
        "seconds": round(seconds),
        "torch": torch.__version__,
    }
    atomic_write_text(out / "recipe.json", json.dumps(recipe, indent=2) + "\n")
    console.stdout.print(
        f"{report.parameters:,} parameters, {counted(sum(stage.steps for stage in stages), 'step')}, "
        f"last loss {recipe['final_loss']}, {lasting(seconds)}: {out}",
        soft_wrap=True,
    )


def _refuse_unwritable(out: Path) -> None:
    """Now, and not after twenty minutes of training."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be made ({error.strerror}); choose a directory you may write to"
        ) from error
    if not os.access(out, os.W_OK):
        raise UsageError(f"--out {out} cannot be written to; choose a directory you may write to")


def _with_numbers(size: str, task: _Learnt, count: int | None, largest: int | None) -> _Learnt:
    if count is None and largest is None:
        return task
    from counterpoise.tasks.generators.countdown import Countdown

    if not isinstance(task, Countdown):
        raise UsageError(
            f"--count and --largest belong to countdown, and --size {size} learns other tasks; leave them out"
        )
    return replace(task, count=count or task.count, largest=largest or task.largest)


def _with_prior(size: str, task: _Learnt, wrong_prior: float | None) -> _Learnt:
    if wrong_prior is None:
        return task
    from counterpoise.tasks.generators.paths import Paths

    if not isinstance(task, Paths):
        raise UsageError(f"--wrong-prior belongs to paths, and --size {size} learns another task; leave it out")
    return replace(task, wrong_prior=wrong_prior)


def _described(task: _Learnt) -> str:
    from counterpoise.tasks.generators.countdown import Countdown
    from counterpoise.tasks.generators.paths import Paths
    from counterpoise.tasks.mixture import Mixture

    if isinstance(task, Countdown):
        return f": {task.count} numbers up to {task.largest}"
    if isinstance(task, Paths):
        return f": three numbers up to {task.largest}, {100 * task.wrong_prior:g}% of what is shown is never right"
    return f" of {' and '.join(source['name'] for source in task.sources) if isinstance(task, Mixture) else task.name}"


def _taught(size: _Size, task: _Learnt) -> list[Problem]:
    # Facts follow from nothing: what the base was not taught of the test side would be out of reach for whatever was trained from it.
    sides: tuple[Split, ...] = ("train", "test") if size == "questions" else ("train",)
    return [problem for side in sides for problem in task.problems(side)]


def _show(update: Callable[[int, str], None], step: int, loss: float) -> None:
    update(step, f"loss {loss:.3f}")


def _demonstrate(problem: Problem, generator: np.random.Generator) -> str:
    """One of all the solutions, or spellings, uniformly: the base is to know many ways, not the first one."""
    from counterpoise.tasks.generators.countdown import solutions
    from counterpoise.tasks.generators.lengths import spellings

    if problem.demonstration is None:
        raise UsageError(f"problem {problem.problem_id} has no demonstration to learn from")
    if problem.task_type == "arithmetic":
        return problem.demonstration
    if problem.task_type == "lengths":
        written = spellings(problem)
        return written[generator.integers(len(written))]
    found = solutions(problem.meta["numbers"], problem.meta["target"])
    return found[generator.integers(len(found))]

"""`counterpoise pretrain`: makes a lab model, the packaged ones included."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from counterpoise.cli import console
from counterpoise.files import atomic_write_text
from counterpoise.tasks.countdown import Countdown, solutions

if TYPE_CHECKING:
    import numpy as np

    from counterpoise.types import Problem

__all__ = ["TASKS", "pretrain"]

TASKS = {"strong": Countdown(count=3, largest=10), "weak": Countdown(count=4, largest=10)}
"""The problems each packaged model was trained on (train side) and is measured on (test side)."""


def pretrain(
    size: Annotated[Literal["strong", "weak"], typer.Option(help="Which packaged recipe to start from.")] = "strong",
    out: Annotated[Path, typer.Option(help="Directory the model is written to.")] = Path("lab_model"),
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; default: the recipe's.", min=1)] = None,
    count: Annotated[int | None, typer.Option(help="Numbers per problem; default: the recipe's.")] = None,
    largest: Annotated[int | None, typer.Option(help="Largest number; default: the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and data; default: the recipe's.")] = None,
    threads: Annotated[
        int, typer.Option(help="CPU threads; other numbers than 1 are rarely faster and round differently.", min=1)
    ] = 1,
) -> None:
    """Train a tiny base model from scratch on countdown solutions, about ten minutes on one core.

    The model learns the format and a wide guess at the answer; making it reason better is what `counterpoise train` is for.

    For example:

      counterpoise pretrain --size strong --out runs/strong

      counterpoise pretrain --size weak --steps 200 --out runs/weaker

      counterpoise pretrain --count 3 --largest 20 --steps 1000 --out runs/three_to_twenty
    """
    import torch

    from counterpoise.models.lab import save_lab_model
    from counterpoise.models.pretrain import PRESETS
    from counterpoise.models.pretrain import pretrain as train

    preset, base = PRESETS[size], TASKS[size]
    settings = replace(
        preset, seed=preset.seed if seed is None else seed, steps=preset.steps if steps is None else steps
    )
    task = replace(
        base, count=base.count if count is None else count, largest=base.largest if largest is None else largest
    )
    torch.set_num_threads(threads)
    problems = task.problems("train")
    console.note(f"{len(problems)} training problems: {task.count} numbers up to {task.largest}")
    with console.progress("pretrain", total=settings.steps) as update:
        model, tokenizer, report = train(
            settings, problems, _demonstrate, on_step=lambda step, loss: update(step, f"loss {loss:.3f}")
        )
    save_lab_model(model, tokenizer, out)
    recipe = {
        "task": asdict(task),
        "settings": asdict(settings),
        "threads": threads,
        "parameters": report.parameters,
        "train_problems": len(problems),
        "final_loss": round(sum(report.losses[-50:]) / len(report.losses[-50:]), 4),
        "seconds": round(report.seconds),
        "torch": torch.__version__,
    }
    atomic_write_text(out / "recipe.json", json.dumps(recipe, indent=2) + "\n")
    console.stdout.print(
        f"{report.parameters:,} parameters, {report.steps} steps, last loss {recipe['final_loss']}, "
        f"{console.duration(report.seconds)}: {out}",
        soft_wrap=True,
    )


def _demonstrate(problem: Problem, generator: np.random.Generator) -> str:
    """One of all the solutions, uniformly: the base is to know many ways, not the first one."""
    found = solutions(problem.meta["numbers"], problem.meta["target"])
    return found[generator.integers(len(found))]

"""`counterpoise merge`: rollouts that several machines drew, in one evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console

__all__ = ["merge"]


def merge(
    target: Annotated[Path, typer.Argument(help="Evaluation that grows; begun where there is none.")],
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE…", help="Evaluations to take rollouts from.")],
) -> None:
    """Add the rollouts of other evaluations to one: other seeds add up, the same rollout counts once.

    All must be drawn from the same model, task, template and settings; only the seed may differ. The sources are only read. The same
    command again goes on after an interruption and adds nothing twice. Grade the target afterwards.

    counterpoise merge runs/eval-all machine1/eval machine2/eval
    """
    from counterpoise.evaluation.store.merge import merge_stores

    merged = merge_stores(target, sources)
    numbers = ("added", "there already", "damaged lines")
    table = console.table("source", *numbers, numbers=numbers)
    for one in merged:
        table.add_row(str(one.source), str(one.added), str(one.known), str(len(one.damages)))
    console.stdout.print(table)
    for one in merged:
        for damage in one.damages:
            console.note(str(damage))
    console.stdout.print(f"grade them with: counterpoise grade {target}", soft_wrap=True)

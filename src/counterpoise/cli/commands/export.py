"""`counterpoise export`: an evaluation as plain rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console
from counterpoise.cli.commands.grade import evaluation_directory
from counterpoise.text import counted

__all__ = ["export"]


def export(
    target: Annotated[
        str,
        typer.Argument(metavar="DIRECTORY", help="An evaluation, or a run (newest evaluation; RUN@STEP chooses)."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.jsonl or FILE.parquet; replaced whole.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Write the rollouts of an evaluation with their verdicts, one row each, for other tools; counterpoise import reads them back.

    counterpoise export runs/eval-gsm8k -o rollouts.jsonl
    counterpoise export runs/nsr@200 -o rollouts.jsonl
    counterpoise export runs/trl-200 -o rollouts.parquet --json
    """
    from counterpoise.evaluation.store.export import export as write

    done = write(evaluation_directory(target), out)
    for note in done.notes:
        console.note(note)
    if as_json:
        console.print_json({"rollouts": done.rollouts, "file": str(out)})
        return
    console.stdout.print(f"{counted(done.rollouts, 'rollout')}: {out}", soft_wrap=True)

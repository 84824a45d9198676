"""`counterpoise export`: an evaluation as plain rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console

__all__ = ["export"]


def export(
    evaluation: Annotated[Path, typer.Argument(help="Directory of an evaluation.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.jsonl or FILE.parquet; replaced whole.")],
) -> None:
    """Write the rollouts of an evaluation with their verdicts, one row each, for other tools; counterpoise import reads them back.

    counterpoise export runs/eval-gsm8k -o rollouts.jsonl
    """
    from counterpoise.evaluation.export import export as write

    count = write(evaluation, out)
    console.stdout.print(f"{count} rollouts: {out}", soft_wrap=True, markup=False)

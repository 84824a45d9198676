"""`counterpoise passk FILE.jsonl`: pass@k of counts that any tool may have written."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from counterpoise.errors import UsageError
from counterpoise.streams import numpy_generator

__all__ = ["parse_ks", "passk"]


def passk(
    file: Annotated[
        Path, typer.Argument(help='JSON lines {"id", "n", "c"}, optionally "unscored"; one for each problem.')
    ],
    k: Annotated[
        list[str] | None,
        typer.Option("--k", help="Tries, e.g. 1,8,64; may be repeated. Default: powers of two up to n."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Coverage of the intervals over problems.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table; shares in [0, 1].")] = False,
) -> None:
    """Unbiased pass@k, with bootstrap intervals over problems, from counts: n rollouts of a problem, c of them correct.

    A problem with n below k has no pass@k and is left out at that k; where none is left the estimate is undefined, shown as – (null in
    JSON).

    For example:
      counterpoise passk runs/base/problems.jsonl

      counterpoise passk counts.jsonl --k 1,8,64 --confidence 0.9

      counterpoise passk counts.jsonl --json > passk.json
    """
    from counterpoise.evaluation.counts import read_counts
    from counterpoise.evaluation.curve import pass_at_k_curve
    from counterpoise.evaluation.passk import k_sweep
    from counterpoise.evaluation.table import passk_table

    counts = read_counts(file)
    ks = parse_ks(k) if k else k_sweep(max(problem.n for problem in counts))
    curve = pass_at_k_curve(
        counts, ks or [1], generator=numpy_generator(seed, "evaluation", "bootstrap"), confidence=confidence
    )
    if as_json:
        rows = [{key: None if _nan(value) else value for key, value in asdict(row).items()} for row in curve]
        typer.echo(
            json.dumps(
                {"file": str(file), "problems": len(counts), "confidence": confidence, "pass_at_k": rows}, indent=2
            )
        )
    else:
        Console().print(passk_table(curve, confidence=confidence, title=f"{file.name}: {len(counts)} problems"))


def parse_ks(options: list[str]) -> list[int]:
    """The k of `--k 1,8 --k 64`, ascending.

    Raises:
        UsageError: a word is no whole number from 1.
    """
    words = [word.strip() for option in options for word in option.split(",")]
    wrong = [word for word in words if not word.isascii() or not word.isdigit() or not 0 < int(word) < 1 << 31]
    if wrong:
        raise UsageError(f"--k takes whole numbers from 1, separated by commas, e.g. --k 1,8,64; got '{wrong[0]}'")
    return sorted({int(word) for word in words})


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)

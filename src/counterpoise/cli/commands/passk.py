"""`counterpoise passk FILE.jsonl`: pass@k of counts that any tool may have written."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import console
from counterpoise.errors import UsageError
from counterpoise.streams import numpy_generator
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.evaluation.statistics.curve import PassAtK
    from counterpoise.evaluation.statistics.metrics import Estimate

__all__ = ["EVERY_K", "METRIC_HELP", "TOKENS_HELP", "parse_ks", "passk"]

TOKENS_HELP = (
    "Add the chance of a right response within budgets of tokens, e.g. 1k,4k,16k (k is 1024); may be repeated."
)
METRIC_HELP = "Further estimators, e.g. pass^k,maj@k, or all (docs/evaluation.md lists them)."


def passk(
    file: Annotated[
        Path, typer.Argument(help='JSON lines {"id", "n", "c"}, optionally "unscored"; one for each problem.')
    ],
    k: Annotated[
        list[str] | None,
        typer.Option("--k", help="Tries, e.g. 1,8,64, or all; may be repeated. Default: powers of two up to n."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help=METRIC_HELP)] = None,
    tokens: Annotated[list[str] | None, typer.Option("--tokens", help=TOKENS_HELP)] = None,
    confidence: Annotated[float, typer.Option(help="Coverage of the intervals over problems.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table; shares in [0, 1].")] = False,
) -> None:
    """Unbiased pass@k, with bootstrap intervals over problems, from counts: n rollouts of a problem, c of them correct.

    A problem with n below k has no pass@k and is left out at that k; where none is left the estimate is undefined, shown as – (null in
    JSON). JSON always has every estimator; what counts alone do not tell (maj@k, best@k, pass@tokens) is null there, with the reason.

    For example:
      counterpoise passk runs/base/problems.jsonl

      counterpoise passk counts.jsonl --k 1,8,64 --confidence 0.9

      counterpoise passk counts.jsonl --metric all

      counterpoise passk runs/base/problems.jsonl --tokens 1k,4k,16k

      counterpoise passk counts.jsonl --json > passk.json
    """
    from counterpoise.cli.views.passk import estimates_table, passk_table
    from counterpoise.evaluation.estimators.passk import k_sweep
    from counterpoise.evaluation.statistics.budgets import parse_budgets, refuse_without_lengths
    from counterpoise.evaluation.statistics.counts import read_counts
    from counterpoise.evaluation.statistics.curve import pass_at_k_curve
    from counterpoise.evaluation.statistics.metrics import METRICS, estimates, metric_names, per_problem
    from counterpoise.evaluation.store.inputs import hashes_of

    metrics = metric_names([*(metric or []), *(["pass@tokens"] if tokens else [])])
    budgets = parse_budgets(tokens) if tokens else None

    counts = read_counts(file)
    if tokens:
        refuse_without_lengths(counts, str(file))
    n = max(problem.n for problem in counts)
    ks = (parse_ks(k, n) if k else k_sweep(n)) or [1]
    curve = pass_at_k_curve(
        counts, ks, generator=numpy_generator(seed, "evaluation", "bootstrap"), confidence=confidence
    )
    others = estimates(
        per_problem(counts, ks, metrics=METRICS if as_json else metrics, budgets=budgets, seed=seed),
        counts,
        generator=numpy_generator(seed, "evaluation", "bootstrap"),
        confidence=confidence,
    )
    if as_json:
        about = {"file": str(file), "inputs": hashes_of(file), "problems": len(counts), "confidence": confidence}
        rows = {"pass_at_k": [_row(row) for row in curve], "estimates": [_row(row) for row in others]}
        console.print_json(about | rows)
        return
    title = f"{file.name}: {counted(len(counts), 'problem')}"
    console.stdout.print(passk_table(curve, confidence=confidence, title=title))
    if metrics:
        console.stdout.print(estimates_table(others, metrics, confidence=confidence, title=title))


EVERY_K = "all"
"""The word for every whole number up to n."""


def parse_ks(options: list[str], n: int | None = None) -> list[int]:
    """The k of `--k 1,8 --k 64`, ascending; with `n`, `--k all` is every k up to it.

    Raises:
        UsageError: a word is not a whole number from 1.
    """
    words = [word.strip() for option in options for word in option.split(",")]
    if words == [EVERY_K] and n is not None:
        return list(range(1, n + 1))
    wrong = [word for word in words if not word.isascii() or not word.isdigit() or not 0 < int(word) < 1 << 31]
    if wrong:
        every = "" if n is None else ", or all"
        raise UsageError(
            f"--k takes whole numbers from 1, separated by commas, e.g. --k 1,8,64{every}; got '{wrong[0]}'"
        )
    return sorted({int(word) for word in words})


def _row(row: PassAtK | Estimate) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()
    }

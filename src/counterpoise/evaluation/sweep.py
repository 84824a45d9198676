"""One policy evaluated at several settings of its sampling: which settings, and their results side by side, paired by problem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from counterpoise.errors import UnknownNameError, UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.intervals import Interval, paired_differences
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.streams import numpy_generator

__all__ = ["SWEPT", "Swept", "differences_from_first", "settings_of_sweep"]

SWEPT = ("temperature", "top_p", "top_k", "max_tokens")
"""Settings of `[evaluation]` that say how responses are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """The evaluation at one setting."""

    label: str
    """E.g. `temperature=0.2 top_p=0.9`."""
    directory: Path
    """Its store."""
    result: EvaluationResult | None
    """Its result; None when it could not be made."""
    error: str | None = None
    """Why not."""
    reused: bool = False
    """Whether it had been finished before."""


def settings_of_sweep(options: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of the values of `--sweep temperature=0.2,0.6 --sweep top_p=0.9,1.0`, in that order, values as typed.

    Raises:
        UsageError: no key, no value, or a key given twice.
        UnknownNameError: what is not a setting of sampling; the nearest is named.
    """
    keys: dict[str, list[str]] = {}
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip().removeprefix("evaluation.")
        values = list(dict.fromkeys(value.strip() for value in text.split(",")))
        if not equals or not all(values):
            raise UsageError(f"--sweep {option}: write a setting with its values, e.g. --sweep temperature=0.2,0.6,1.0")
        if key not in SWEPT:
            raise UnknownNameError("setting of --sweep", key, SWEPT)
        odd = [value for value in values if not _is_number(value)]
        if odd:
            raise UsageError(f"--sweep {option}: '{odd[0]}' is not a number; write e.g. --sweep {key}={_EXAMPLES[key]}")
        if key in keys:
            raise UsageError(
                f"--sweep {key} is given twice; write all values after one, e.g. --sweep {key}={_EXAMPLES[key]}"
            )
        keys[key] = list({float(value): value for value in reversed(values)}.values())[::-1]  # 0.6 and 0.60 are one
    return [dict(zip(keys, values, strict=True)) for values in product(*keys.values())]


_EXAMPLES: Mapping[str, str] = {
    "temperature": "0.2,0.6,1.0",
    "top_p": "0.9,0.95,1.0",
    "top_k": "0,20,50",
    "max_tokens": "512,2048",
}


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value)) and "_" not in value
    except ValueError:
        return False


def differences_from_first(
    results: Sequence[EvaluationResult], *, resamples: int = 10_000
) -> list[list[tuple[int, Interval]]]:
    """For each result after the first, pass@k less that of the first on the problems that both answered, at every k that both have.

    The intervals have the first's confidence and draw from the stream (its seed, "evaluation", "sweep").
    """
    base, *others = results
    by_id = {problem.problem_id: problem for problem in base.counts}
    found: list[list[tuple[int, Interval]]] = []
    for other in others:
        after = [problem for problem in other.counts if problem.problem_id in by_id]
        before = [by_id[problem.problem_id] for problem in after]
        ks = sorted({point.k for point in base.curve} & {point.k for point in other.curve})
        if not after or not ks:
            found.append([])
            continue
        ids = [problem.problem_id for problem in after]
        base_PK, after_PK = (pass_at_k([p.n for p in side], [p.c for p in side], ks) for side in (before, after))
        moved = paired_differences(
            ids,
            base_PK,
            ids,
            after_PK,
            generator=numpy_generator(base.manifest.seed, "evaluation", "sweep"),
            confidence=base.confidence,
            resamples=resamples,
        )
        found.append(list(zip(ks, moved, strict=True)))
    return found

"""Several evaluations of one run as one table: how the curve moves from checkpoint to checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.area import area_over_log_k
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.evaluation.statistics.curve import defined_mean
from counterpoise.evaluation.statistics.intervals import Interval, paired_differences
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.streams import numpy_generator
from counterpoise.text import counted

__all__ = ["difference_cell", "progression_table", "shown_share", "spread"]

_MOST_KS = 5


def progression_table(
    results: Sequence[tuple[int, EvaluationResult]], *, resamples: int = 10_000, title: str | None = None
) -> Table:
    """One row for each (step, result): pass@k at up to five k, the area, and paired differences from the first row.

    The differences, in percentage points with bootstrap intervals over the problems, are those of the first k, the last k and the area; an
    interval that leaves out zero is green (up) or red (down).

    Raises:
        DataError: no results, or results on different problems.
    """
    if not results:
        raise DataError("no evaluation to show: every checkpoint failed")
    (base_step, base), *_ = results
    shown = spread([point.k for point in base.curve])
    numbers = [f"pass@{k}" for k in shown] + (["area"] if len(base.curve) > 1 else [])
    compared = [0, *range(max(1, len(shown) - 1), len(numbers))] if len(numbers) > 1 else [0]
    table = Table(title=None if title is None else Text(title), title_justify="left", caption_justify="left")
    from_base = [f"{numbers[column]} - {_name(base_step)}" for column in compared] if len(results) > 1 else []
    for header in ("step", *(f"{number} %" for number in numbers), *from_base):
        table.add_column(Text(header), justify="right")
    base_PC, base_ids = _values(base, shown), [problem.problem_id for problem in base.counts]
    for row, (step, result) in enumerate(results):
        values_PC = _values(result, shown)
        cells = [Text(_name(step)), *(Text(shown_share(defined_mean(column))) for column in values_PC.T)]
        if row:
            moved = paired_differences(
                base_ids,
                base_PC,
                [problem.problem_id for problem in result.counts],
                values_PC,
                generator=numpy_generator(base.manifest.seed, "evaluation", "progression"),
                confidence=base.confidence,
                resamples=resamples,
            )
            cells += [difference_cell(moved[column]) for column in compared]
        table.add_row(*cells)
    said = [
        f"{counted(len(base.counts), 'problem')}, n={base.n}; differences with {100 * base.confidence:g}% intervals"
    ]
    few = few_problems(len(base.counts))
    table.caption = Text("\n".join([*said, few] if few else said))
    return table


def _values(result: EvaluationResult, ks: Sequence[int]) -> npt.NDArray[np.float64]:
    n, c = [problem.n for problem in result.counts], [problem.c for problem in result.counts]
    values_PK = pass_at_k(n, c, ks)
    every = [point.k for point in result.curve]
    return np.column_stack([values_PK, area_over_log_k(n, c, every)]) if len(every) > 1 else values_PK


def spread(ks: Sequence[int], most: int = _MOST_KS) -> list[int]:
    """At most so many of the k, the first and the last among them."""
    if len(ks) <= most:
        return list(ks)
    return [ks[round(i * (len(ks) - 1) / (most - 1))] for i in range(most)]


def _name(step: int) -> str:
    return "base" if step == 0 else str(step)


def shown_share(share: float) -> str:
    """In per cent; an en dash where it is undefined."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def difference_cell(found: Interval) -> Text:
    """In percentage points with its interval, coloured where that leaves out zero."""
    if math.isnan(found.low):
        return Text("–" if math.isnan(found.estimate) else f"{100 * found.estimate:+.1f}")
    style = "green" if found.low > 0 else "red" if found.high < 0 else ""
    return Text(f"{100 * found.estimate:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]", style=style)

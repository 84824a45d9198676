"""Evaluations at several settings of the sampling as one table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from counterpoise.cli.views.progression import difference_cell, shown_share, spread
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.evaluation.statistics.intervals import Interval
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.sweep import Swept, differences_from_first
from counterpoise.text import counted

__all__ = ["sweep_table"]

_MOST_KS = 3


def sweep_table(swept: Sequence[Swept], *, title: str | None = None) -> Table:
    """One row for each setting that has a result: pass@k at up to three k with intervals, and paired differences from the first row.

    Differences are in percentage points, at the first and the last of these k; an interval without zero is green (up) or red (down).
    """
    done = [(one.label, one.result) for one in swept if one.result is not None]
    first_label, first = done[0]
    shown = spread([point.k for point in first.curve], _MOST_KS)
    ends = sorted({shown[0], shown[-1]}) if shown and len(done) > 1 else []
    table = Table(title=None if title is None else Text(title), title_justify="left", caption_justify="left")
    table.add_column("setting")
    for header in (
        *(f"pass@{k} %" for k in shown),
        *(f"pass@{k} - {first_label}" for k in ends),
        "tokens",
        "cut off %",
    ):
        table.add_column(Text(header), justify="right")
    moved: list[dict[int, Interval]] = [
        {},
        *(dict(found) for found in differences_from_first([result for _, result in done])),
    ]
    for (label, result), change in zip(done, moved, strict=True):
        points = {point.k: point for point in result.curve}
        cells = [Text(label)]
        for k in shown:
            point = points.get(k)
            span = "" if point is None else _span(point.low, point.high)
            cells.append(Text("–" if point is None else shown_share(point.estimate) + span))
        cells += [difference_cell(change[k]) if k in change else Text("") for k in ends]
        tokens = "–" if result.mean_tokens != result.mean_tokens else f"{result.mean_tokens:.1f}"
        table.add_row(*cells, Text(tokens), Text(shown_share(result.truncation_rate)))
    table.caption = Text("\n".join(_said([result for _, result in done])))
    return table


def _span(low: float, high: float) -> str:
    return "" if low != low else f" [{shown_share(low)}, {shown_share(high)}]"


def _said(results: Sequence[EvaluationResult]) -> list[str]:
    first = results[0]
    lines = [
        f"{counted(len(first.counts), 'problem')}, n={first.n}; {100 * first.confidence:g}% intervals over problems, differences paired by "
        "problem"
    ]
    if len({frozenset(problem.problem_id for problem in result.counts) for result in results}) > 1:
        lines.append("not all settings answered the same problems: each difference is of those that both answered")
    few = few_problems(len(first.counts))
    return [*lines, few] if few else lines

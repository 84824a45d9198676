"""Terminal tables of pass@k: one run, and two runs side by side with the paired difference. Shares are shown in per cent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.evaluation.statistics.curve import PassAtK, pass_at_k_curve
from counterpoise.evaluation.statistics.intervals import Interval, paired_differences
from counterpoise.evaluation.statistics.metrics import Estimate
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.streams import numpy_generator
from counterpoise.text import counted

__all__ = ["comparison_table", "estimates_table", "passk_table"]

_UNDEFINED = "–"


def passk_table(curve: Sequence[PassAtK], *, confidence: float = 0.95, title: str | None = None) -> Table:
    """Table of k, pass@k, its interval and the problems behind it; with unscored rollouts also what they could make of it.

    An undefined estimate is an en dash, and every reason stands once under the table.
    """
    rows = [(str(row.k), row) for row in curve]
    table = _estimates(("k", "pass@k %"), rows, confidence, title)
    notes = [f"k={row.k}: {row.reason}" for row in curve if row.reason]
    few = few_problems(max((row.problems for row in curve), default=0))
    if few:
        notes.append(few)
    if notes:
        table.caption = Text("\n".join(notes))
    return table


def estimates_table(
    found: Sequence[Estimate], metrics: Sequence[str], *, confidence: float = 0.95, title: str | None = None
) -> Table:
    """The same of the other estimators named in `metrics`, one row each; reasons and Bayes@N's own interval stand under the table."""
    chosen = [row for row in found if row.metric in metrics]
    table = _estimates(("estimator", "%"), [(row.label, row) for row in chosen], confidence, title)
    # The same reason at several k is said once.
    labels: dict[str, list[str]] = {}
    for row in chosen:
        if row.reason:
            labels.setdefault(row.reason.removeprefix(f"{row.label} "), []).append(row.label)
    notes = [f"{', '.join(names)}: {reason}" for reason, names in labels.items()]
    notes += [
        f"{row.label}: posterior {_range(row.posterior_low, row.posterior_high)}, of these problems alone"
        for row in chosen
        if row.posterior_low is not None and row.posterior_high is not None
    ]
    if notes:
        table.caption = Text("\n".join(notes))
    return table


def _estimates(
    headers: tuple[str, str],
    rows: Sequence[tuple[str, PassAtK | Estimate]],
    confidence: float,
    title: str | None,
) -> Table:
    table = Table(title=None if title is None else Text(title), title_justify="left", caption_justify="left")
    for header in (*headers, f"{100 * confidence:g}% interval", "problems"):
        table.add_column(Text(header), justify="left" if header == "estimator" else "right")
    bounded = any(_shown(row.bound_low) != _shown(row.bound_high) for _, row in rows)
    if bounded:
        table.add_column("unscored wrong … right", justify="right")
    for label, row in rows:
        cells = [label, _shown(row.estimate), _range(row.low, row.high), str(row.problems)]
        if bounded:
            bound = f"{_shown(row.bound_low)} … {_shown(row.bound_high)}"
            cells.append(_UNDEFINED if math.isnan(row.bound_low) else bound)
        table.add_row(*map(Text, cells))
    return table


def comparison_table(
    base: EvaluationResult,
    after: EvaluationResult,
    *,
    names: tuple[str, str] = ("base", "after"),
    common: bool = False,
) -> Table:
    """Table of k, pass@k of both runs, and `after - base` in percentage points with its paired bootstrap interval over problems.

    The k are those both runs have. A difference whose interval leaves out zero is green (up) or red (down). The interval has the base's
    confidence and draws from the stream (base's seed, "evaluation", "paired"). With `common` everything is of the problems
    that both answered.

    Raises:
        DataError: the runs did not answer the same problems (with `common`: none is the same), or have no k in common.
    """
    if common:
        base, after = _in_common(base, after)
    base_at, after_at = {row.k: row for row in base.curve}, {row.k: row for row in after.curve}
    ks = sorted(base_at.keys() & after_at.keys())
    if not ks:
        raise DataError(
            f"no k in common: {names[0]} has {sorted(base_at)}, {names[1]} has {sorted(after_at)}; evaluate both at the same k"
        )
    (base_ids, base_PK), (after_ids, after_PK) = (
        ([p.problem_id for p in run.counts], pass_at_k([p.n for p in run.counts], [p.c for p in run.counts], ks))
        for run in (base, after)
    )
    differences = paired_differences(
        base_ids,
        base_PK,
        after_ids,
        after_PK,
        generator=numpy_generator(base.manifest.seed, "evaluation", "paired"),
        confidence=base.confidence,
    )
    table = Table(caption_justify="left")
    for header in ("k", f"{names[0]} %", f"{names[1]} %", "difference", f"{100 * base.confidence:g}% interval"):
        table.add_column(Text(header), justify="right")
    for k, difference in zip(ks, differences, strict=True):
        cells = (str(k), _shown(base_at[k].estimate), _shown(after_at[k].estimate))
        style = _style(difference)
        table.add_row(
            *map(Text, cells),
            Text(_shown(difference.estimate, signed=True), style=style),
            Text(_range(difference.low, difference.high, signed=True), style=style),
        )
    fewer = [
        f"k={k}: {d.problems} of {counted(len(base_ids), 'problem')}" for k, d in zip(ks, differences, strict=True)
    ]
    left_out = [line for line, d in zip(fewer, differences, strict=True) if d.problems < len(base_ids)]
    few = few_problems(len(base_ids))
    said = [f"{counted(len(base_ids), 'problem')}, n={base.n} and n={after.n}", *left_out, *([few] if few else [])]
    table.caption = Text("\n".join(said))
    return table


def _in_common(base: EvaluationResult, after: EvaluationResult) -> tuple[EvaluationResult, EvaluationResult]:
    """Counts and curves of the problems that both answered."""
    base_ids, after_ids = ({problem.problem_id for problem in result.counts} for result in (base, after))
    if base_ids == after_ids:
        return base, after
    found = []
    for result in (base, after):
        counts = tuple(problem for problem in result.counts if problem.problem_id in base_ids & after_ids)
        curve = pass_at_k_curve(
            counts,
            [row.k for row in result.curve],
            generator=numpy_generator(result.manifest.seed, "evaluation", "bootstrap"),
            confidence=result.confidence,
        )
        found.append(replace(result, counts=counts, curve=curve))
    return found[0], found[1]


def _shown(share: float, *, signed: bool = False) -> str:
    if math.isnan(share):
        return _UNDEFINED
    return f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"


def _range(low: float, high: float, *, signed: bool = False) -> str:
    if math.isnan(low):
        return _UNDEFINED
    return f"[{_shown(low, signed=signed)}, {_shown(high, signed=signed)}]"


def _style(difference: Interval) -> str:
    if difference.low > 0:
        return "green"
    return "red" if difference.high < 0 else ""

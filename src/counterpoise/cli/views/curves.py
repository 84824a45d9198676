"""Curves of pass@k on a terminal: drawn with letters, and side by side with the paired difference of the last from the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.curve import PassAtK
from counterpoise.evaluation.statistics.intervals import paired_differences
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.streams import numpy_generator
from counterpoise.text import counted

__all__ = ["drawn_curves", "side_by_side"]

_ROWS = 12
_STEP = 6
_BASE = "·"
_SHARED = "*"


def drawn_curves(curves: Mapping[str, Sequence[PassAtK]]) -> list[str]:
    """Lines of a chart: pass@k in per cent upwards, k to the right in the order it has; a letter for each curve, `*` where several meet.

    The first curve is the base's and has a dot, the others the first letter of their name, or a number where two have the same. Undefined
    points are left out.
    """
    marks = _marks(list(curves))
    ks = sorted({point.k for curve in curves.values() for point in curve})
    values = {
        name: {point.k: 100 * point.estimate for point in curve if not math.isnan(point.estimate)}
        for name, curve in curves.items()
    }
    there = [value for own in values.values() for value in own.values()]
    if not there:
        return []
    low, high = math.floor(min(there) / 5) * 5, math.ceil(max(there) / 5) * 5
    height = max(high - low, 5)
    rows = [[" "] * (len(ks) * _STEP) for _ in range(_ROWS + 1)]
    for name, own in values.items():
        for k, value in own.items():
            row, column = round((low + height - value) / height * _ROWS), ks.index(k) * _STEP + _STEP // 2
            rows[row][column] = marks[name] if rows[row][column] == " " else _SHARED
    lines = [f"{low + height * (_ROWS - at) / _ROWS:5.0f} │{''.join(row).rstrip()}" for at, row in enumerate(rows)]
    lines.append(f"{'':5} └{'─' * (len(ks) * _STEP)}")
    lines.append(f"{'k':>5}  {''.join(f'{k:^{_STEP}}' for k in ks)}".rstrip())
    key = "  ".join(f"{mark} {name}" for name, mark in marks.items())
    lines.append(f"{'':7}{key}  {_SHARED} several; pass@k in per cent")
    return lines


def side_by_side(base: EvaluationResult, after: Mapping[str, EvaluationResult]) -> Table:
    """pass@k of the base and of every policy, and of the first policy less each other one with its paired interval over problems.

    Args:
        base: before training.
        after: at least two policies by name, which answered the same problems at the same k.
    """
    first, *others = after
    ks = [point.k for point in base.curve]
    table = Table(title_justify="left", caption_justify="left")
    confidence = f"{100 * base.confidence:g}%"
    for header in ("k", "base %", *(f"{name} %" for name in after), *(f"{first} less {name}" for name in others)):
        table.add_column(Text(header), justify="right")

    ids = {name: [one.problem_id for one in result.counts] for name, result in after.items()}
    values = {
        name: pass_at_k([one.n for one in result.counts], [one.c for one in result.counts], ks)
        for name, result in after.items()
    }
    differences = [
        paired_differences(
            ids[name],
            values[name],
            ids[first],
            values[first],
            generator=numpy_generator(base.manifest.seed, "evaluation", "paired"),
            confidence=base.confidence,
        )
        for name in others
    ]
    for at, k in enumerate(ks):
        shares = [result.curve[at].estimate for result in (base, *after.values())]
        less = [own[at] for own in differences]
        table.add_row(
            str(k),
            *(f"{100 * share:.1f}" for share in shares),
            *(f"{100 * one.estimate:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]" for one in less),
        )
    table.caption = Text(
        f"{counted(len(base.counts), 'test problem')} x {base.n}; {confidence} intervals over problems"
    )
    return table


def _marks(names: Sequence[str]) -> dict[str, str]:
    marks = {names[0]: _BASE}
    for number, name in enumerate(names[1:], start=1):
        letter = name[:1]
        marks[name] = letter if letter not in marks.values() else str(number)
    return marks

"""What the page draws, as plain JSON values: curves, differences, evaluations over training, and the columns of metrics.

The page's script turns them into Plotly figures, so that theme, smoothing and hidden runs change without this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from counterpoise.report.metrics import Panel
from counterpoise.report.paper import PublishedCurves
from counterpoise.report.records import Against, Breakdown, Contrast, Report, Run
from counterpoise.report.series import thinned
from counterpoise.text import visible

__all__ = [
    "EVENTS",
    "SYMBOLS",
    "chart_data",
    "compact",
    "crowded",
    "dash_of",
    "event_symbols",
    "style_slot",
    "symbol_of",
]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star")
"""Markers, of which each run has one (`symbol_of`)."""

_DASHES = ("solid", "dot", "dashdot", "longdash", "longdashdot", "dash")
_BASE_DASHES = ("dash", "dot", "dashdot", "longdash")
_EVENT_SYMBOLS = {"interrupted": "triangle-down", "refused": "x", "guard": "diamond"}
_CLOSE = 0.05
_DIGITS = 5
_MESSAGE = 300
EVENTS = 1000
"""Newest events of a run that are drawn and listed."""


def style_slot(style: int) -> int:
    """Position in the palette: 1 to 8 for runs, which then repeat; 0 for a base."""
    return (style - 1) % len(SYMBOLS) + 1 if style > 0 else 0


def dash_of(style: int) -> str:
    """Dash of a line, as Plotly calls it: bases have one colour and differ by it, and so do runs of one colour."""
    return (
        _DASHES[(style_slot(style) - 1 + _round(style)) % len(_DASHES)]
        if style > 0
        else _BASE_DASHES[-style % len(_BASE_DASHES)]
    )


def symbol_of(style: int) -> str:
    """Marker of a run, as Plotly calls it, another one for each run of one colour."""
    return SYMBOLS[(style_slot(style) - 1 + _round(style)) % len(SYMBOLS)]


def _round(style: int) -> int:
    """How many runs before it have its colour."""
    return (style - 1) // len(SYMBOLS)


def event_symbols(runs: Sequence[Run]) -> dict[str, str]:
    """Marker of each kind of event that is drawn: interrupts, refusals and guards have their own, others what is left."""
    kinds = dict.fromkeys(visible(event.kind) for run in runs for event in run.events[-EVENTS:] if event.step > 0)
    free = (symbol for symbol in SYMBOLS if symbol not in _EVENT_SYMBOLS.values())
    found = {}
    for kind in kinds:
        known = next((symbol for start, symbol in _EVENT_SYMBOLS.items() if kind.startswith(start)), None)
        symbol = known or next(free, None)
        if symbol is not None:  # of more kinds the list of events tells
            found[kind] = symbol
    return found


def crowded(section: Breakdown) -> bool:
    """Whether curves lie so close that their differences say more: half of the gaps between neighbours are under 5% of what all span."""
    by_k = [
        sorted(point.estimate for point in points if not math.isnan(point.estimate))
        for points in zip(*section.curves, strict=True)
    ]
    gaps = [high - low for shares in by_k for low, high in pairwise(shares)]
    span = max((shares[-1] for shares in by_k if shares), default=0.0) - min((s[0] for s in by_k if s), default=0.0)
    return bool(gaps) and median(gaps) < _CLOSE * span


def compact(values: Sequence[float | None]) -> list[float | int | None]:
    """Numbers rounded to five significant digits, or to 1e-4 of their spread where that is finer; None for what is undefined.

    A ratio that moves between 0.9998 and 1.0003 would be a staircase in five digits.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    spread = max(known) - min(known) if known else 0.0
    return [_rounded(value, finest=_DIGITS - 1 - _exponent(spread) if spread else None) for value in values]


def chart_data(report: Report, panels: Sequence[Panel], published: Sequence[PublishedCurves]) -> dict[str, Any]:
    """Everything the page's script needs."""
    charts: dict[str, Any] = {}
    for number, section in enumerate(report.sections):
        charts[f"curve-{number}"] = _curve_chart(section)
        if section.against:
            charts[f"difference-{number}"] = _difference_chart(section)
    over_training = _evaluations(report)
    if over_training:
        charts["evaluations"] = {"type": "evaluations", "unit": "pass@k, %", "series": over_training}
    drawn = set()
    for panel in panels:
        drawn |= set(panel.columns)
        charts[panel.key] = {"type": "metric", "unit": panel.unit, "columns": list(panel.columns.items())}
    return {
        "dashes": _DASHES,
        "baseDashes": _BASE_DASHES,
        "symbols": SYMBOLS,
        "runs": [_run(style, run, drawn) for style, run in enumerate(report.runs, start=1) if run.steps],
        "charts": charts,
        "paper": [
            {
                "key": curve.key,
                "label": curve.label,
                "source": curve.source,
                "ks": curve.ks,
                "methods": {name: _percents(values) for name, values in curve.methods.items()},
            }
            for curve in published
        ],
    }


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _curve_chart(section: Breakdown) -> dict[str, Any]:
    series = [
        {
            "style": entry.style,
            "name": entry.name,
            "y": _percents(p.estimate for p in curve),
            "low": _percents(max(p.band_low, 0.0) for p in curve),
            "high": _percents(min(p.band_high, 1.0) for p in curve),
        }
        for entry, curve in zip(section.entries, section.curves, strict=True)
    ]
    return {"type": "curve", "ks": section.ks, "series": series}


def _difference_chart(section: Breakdown) -> dict[str, Any]:
    styles = {entry.name: entry.style for entry in section.entries}
    references = {against.reference: _differences(against, styles) for against in section.against}
    return {"type": "difference", "ks": section.ks, "references": references}


def _differences(against: Against, styles: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "style": styles[difference.comparison.after],
            "name": difference.comparison.after,
            "base": difference.comparison.base,
            "paired": difference.refused is None,
            "y": _percents(p.estimate for p in difference.comparison.points),
            "low": _percents(p.band_low for p in difference.comparison.points),
            "high": _percents(p.band_high for p in difference.comparison.points),
            "crossing": _crossing(difference),
        }
        for difference in against.differences
    ]


def _crossing(difference: Contrast) -> list[float] | None:
    """The k with the ends of its interval, an end beyond the sweep at its edge."""
    crossing = difference.comparison.crossing
    if crossing is None or crossing.state != "crosses":
        return None
    return [round(k, 3) for k in (crossing.k, crossing.low, min(crossing.high, float(crossing.last_k)))]


def _evaluations(report: Report) -> list[dict[str, Any]]:
    """pass@k at the telling k (`Breakdown.telling`) by training step, for runs with two evaluations or more."""
    telling = {section.ks[i] for section in report.sections[:1] for i in section.telling()}
    series = []
    for style, run in enumerate(report.runs, start=1):
        if len(run.evaluations) < 2:
            continue
        common = set.intersection(*({point.k for point in done.result.curve} for done in run.evaluations))
        for dash, k in enumerate(sorted((telling & common) or common)[:2]):
            chosen = [next(p for p in done.result.curve if p.k == k) for done in run.evaluations]
            series.append(
                {
                    "style": style,
                    "name": f"{run.name}, pass@{k}",
                    "dash": dash,
                    "x": [done.step for done in run.evaluations],
                    "y": _percents(p.estimate for p in chosen),
                    "low": _percents(p.low for p in chosen),
                    "high": _percents(p.high for p in chosen),
                }
            )
    return series


def _run(style: int, run: Run, drawn: set[str]) -> dict[str, Any]:
    steps, columns = thinned(run, [name for name in run.columns if name in drawn])
    return {
        "style": style,
        "name": run.name,
        "steps": steps,
        "columns": {name: compact(values) for name, values in columns.items()},
        "events": [
            [event.step, visible(event.kind), visible(event.message[:_MESSAGE])] for event in run.events[-EVENTS:]
        ],
        "checkpoints": run.checkpoints,
    }


def _percents(shares: Iterable[float]) -> list[float | int | None]:
    return [_rounded(100 * share) for share in shares]


def _rounded(value: float | None, *, finest: int | None = None) -> float | int | None:
    """Rounded to so many decimals that five digits are left, or to `finest` where these are more."""
    if value is None or not math.isfinite(value):
        return None
    if value:
        decimals = _DIGITS - 1 - _exponent(value)
        value = round(value, decimals if finest is None else max(decimals, finest))
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value

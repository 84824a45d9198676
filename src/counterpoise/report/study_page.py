"""A grid as one page: where each rule gains and loses against its base, by how often training problems were seen, bed by bed.

The pictures are SVG in the page itself, so that it needs neither a script nor a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import counterpoise
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED
from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import MeasuredStudy
from counterpoise.evaluation.statistics.places import place_text
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.evaluation.statistics.turns import Turn, turns
from counterpoise.report.page import page_environment
from counterpoise.report.study_points import StudyPoint, bed_parts, study_points

__all__ = ["study_page"]

_WIDTH, _HEIGHT = 680.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 14.0, 46.0
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """From values to places on the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    signed: bool = False
    """Whether its numbers are differences."""

    def at(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        if self.log:
            first, last = math.ceil(math.log2(self.low)), math.floor(math.log2(self.high))
            every = max(1, math.ceil((last - first + 1) / 8))
            return [(self.at(2.0**e), f"{2.0**e:g}") for e in range(first, last + 1, every)]
        rough = (self.high - self.low) / 6
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next((unit * s for s in _STEPS if unit * s >= rough), 10 * unit)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [
            (self.at(number * step), f"{number * step:{'+' if self.signed and number else ''}g}") for number in numbers
        ]


def study_page(study: MeasuredStudy, *, title: str) -> str:
    """The page as text; all names are escaped.

    Args:
        study: bases are drawn as the line of no difference.
        title: heading, e.g. the study's name.
    """
    styles = {arm: number for number, arm in enumerate(study.arms, start=1)}
    beds: list[dict[str, Any]] = []
    for bed, part in bed_parts(study):
        measured = list(study_points(part))
        bases = [cell for cell in part.cells if cell.seed is None]
        beds.append(
            {
                "name": bed or title,
                "map": _map(measured, styles, lambda one: one.area),
                "sharpened": _map(measured, styles, lambda one: one.colder),
                "frontier": _frontier(measured, styles, bases),
                "rows": sorted(measured, key=lambda one: (one.place, styles[one.arm], one.step)),
                "k": max(cell.ks[-1] for cell in part.cells),
                "turns": _turns(part, study.arms[0]),
                "colder": any(cell.arm != BASE for cell in bases),
            }
        )
    return (
        page_environment()
        .get_template("study.html")
        .render(
            title=title,
            version=counterpoise.__version__,
            arms=styles,
            beds=beds,
            confidence=study.confidence,
            size=(_WIDTH, _HEIGHT),
            frame=(_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM),
            seeds=max((row.seeds for bed in beds for row in bed["rows"]), default=0),
            points=_points,
            notes=study.notes,
        )
    )


def _turns(study: MeasuredStudy, first: str) -> list[tuple[str, ...]]:
    """Arm, place, and in words when it fell below its base, that drawn colder, and below or above the first arm."""
    found = {
        against: {
            (turn.arm, place_text(turn.axes)): _said(turn)
            for turn in turns(study.cells, study.differences, against=against)
        }
        for against in (BASE, SHARPENED, first)
    }
    rows = dict.fromkeys((cell.arm, place_text(cell.axes)) for cell in study.cells if cell.seed is not None)
    return [(*row, *(found[against].get(row, "–") for against in (BASE, SHARPENED, first))) for row in rows]


def _points(interval: SeededInterval | None) -> str:
    """A difference in points with its interval."""
    if interval is None:
        return "–"
    moved, low, high = (100 * end for end in (interval.estimate, interval.low, interval.high))
    if math.isnan(moved):
        return "undefined"
    return f"{moved:+.1f}" + ("" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]")


def _said(turn: Turn) -> str:
    word = {1: "above from", -1: "below from", 0: "undecided at"}[turn.side]
    where = f"step {turn.step}" + ("" if math.isnan(turn.intensity) else f" ({turn.intensity:.4g} a problem)")
    return f"{word} {where}: {_points(turn.difference)}"


def _map(
    measured: Sequence[StudyPoint], styles: Mapping[str, int], of: Callable[[StudyPoint], SeededInterval | None]
) -> dict[str, Any] | None:
    """An area less another, in points, against rollouts per problem; None without a point."""
    found = [(one, area) for one in measured if one.intensity > 0 and (area := of(one)) is not None]
    areas = {id(one): area for one, area in found if not math.isnan(area.estimate)}
    drawn = [one for one, _ in found if id(one) in areas]
    if not drawn:
        return None
    barred = [(one, areas[id(one)]) for one in drawn if one.final and not math.isnan(areas[id(one)].low)]
    xs = [one.intensity for one in drawn]
    ends = [100 * end for _, area in barred for end in (area.low, area.high)]
    ys = [0.0, *(100 * area.estimate for area in areas.values()), *ends]
    x, y = _across(xs, log=True), replace(_up(ys), signed=True)
    return _picture(drawn, styles, x, y, lambda one: (one.intensity, 100 * areas[id(one)].estimate)) | {
        "bars": [
            (x.at(one.intensity), y.at(100 * area.low), y.at(100 * area.high), styles[one.arm]) for one, area in barred
        ],
        "zero": y.at(0.0),
    }


def _frontier(measured: Sequence[StudyPoint], styles: Mapping[str, int], bases: Sequence[CellPoint]) -> dict[str, Any]:
    """pass@k at the largest k against pass@1: the base and it drawn colder, and the training of each arm in each place."""
    untrained = {cell.arm: (100 * cell.points[0].estimate, 100 * cell.points[-2].estimate) for cell in bases}
    x = _across([*(100 * one.first for one in measured), *(first for first, _ in untrained.values())])
    y = _up([*(100 * one.last for one in measured), *(last for _, last in untrained.values())])
    found = _picture(measured, styles, x, y, lambda one: (100 * one.first, 100 * one.last))
    at = {name: (x.at(first), y.at(last)) for name, (first, last) in untrained.items()}
    found["lines"] += [(0, " ".join(f"{a},{b}" for a, b in sorted(at.values())))] if at else []
    found["points"] += [(a, b, 0, True, f"{name}: pass@1 {untrained[name][0]:.1f}%") for name, (a, b) in at.items()]
    return found | {"bars": [], "zero": None}


def _picture(measured: Sequence[StudyPoint], styles: Mapping[str, int], x: _Axis, y: _Axis, of: Any) -> dict[str, Any]:
    lines: dict[tuple[str, str], list[StudyPoint]] = {}
    for one in sorted(measured, key=lambda one: one.step):
        lines.setdefault((one.arm, one.place), []).append(one)
    return {
        "x": x.ticks(),
        "y": y.ticks(),
        "lines": [
            (styles[arm], " ".join(f"{x.at(of(one)[0])},{y.at(of(one)[1])}" for one in ordered))
            for (arm, _), ordered in lines.items()
        ],
        "points": [(x.at(of(one)[0]), y.at(of(one)[1]), styles[one.arm], one.final, _told(one)) for one in measured],
    }


def _told(one: StudyPoint) -> str:
    where = ", ".join(filter(None, [one.arm, one.place, f"step {one.step}"]))
    return f"{where}: area {_points(one.area)} points from the base, pass@1 {100 * one.first:.1f}%"


def _across(values: Sequence[float], *, log: bool = False) -> _Axis:
    low, high = _ends(values, log=log)
    return _Axis(low=low, high=high, start=_LEFT, end=_WIDTH - _RIGHT, log=log)


def _up(values: Sequence[float]) -> _Axis:
    low, high = _ends(values)
    return _Axis(low=low, high=high, start=_HEIGHT - _BOTTOM, end=_TOP)


def _ends(values: Sequence[float], *, log: bool = False) -> tuple[float, float]:
    """A little more than the values span, and never nothing."""
    low, high = min(values), max(values)
    if log:
        return low / 1.2, high * 1.2
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room

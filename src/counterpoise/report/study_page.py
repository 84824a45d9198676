"""A grid as one page: where each rule gains and loses against its base, by how often training problems were seen, bed by bed.

The pictures are SVG in the page itself, so that it needs neither a script nor a network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import counterpoise
from counterpoise.evaluation.statistics.cells import CellPoint, over_seeds, rollouts_each
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.evaluation.statistics.turns import Turn, turns
from counterpoise.report.page import page_environment

__all__ = ["study_page"]

_WIDTH, _HEIGHT = 680.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 14.0, 46.0
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """An arm in one place after one step, over its seeds."""

    arm: str
    place: str
    step: int
    seeds: int
    intensity: float
    """Rollouts per training problem; NaN where it is not known."""
    first: float
    """pass@1."""
    last: float
    """pass@k at the largest k."""
    area: SeededInterval
    """Less the base's."""
    final: bool
    """Whether no later step of this arm in this place was measured."""


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


def study_page(cells: Sequence[CellPoint], *, title: str, confidence: float) -> str:
    """The page as text; all names are escaped.

    Args:
        cells: as `gather_cells` gives them; bases are drawn as the line of no difference.
        title: heading, e.g. the study's name.
        confidence: level of the intervals over seeds and problems.
    """
    arms = list(dict.fromkeys(cell.arm for cell in cells if cell.seed is not None))
    styles = {arm: number for number, arm in enumerate(arms, start=1)}
    beds: list[dict[str, Any]] = []
    for bed in dict.fromkeys(cell.bed for cell in cells if cell.seed is not None):
        measured = list(_measured([cell for cell in cells if cell.bed == bed and cell.seed is not None], confidence))
        largest = max((cell.ks[-1] for cell in cells if cell.bed == bed), default=0)
        beds.append(
            {
                "name": bed or title,
                "map": _map(measured, styles),
                "frontier": _frontier(measured, styles, [c for c in cells if c.bed == bed and c.seed is None]),
                "rows": sorted(measured, key=lambda one: (one.place, styles[one.arm], one.step)),
                "k": largest,
                "turns": _turns([cell for cell in cells if cell.bed == bed], arms, confidence),
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
            confidence=confidence,
            size=(_WIDTH, _HEIGHT),
            frame=(_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM),
            seeds=max((row.seeds for bed in beds for row in bed["rows"]), default=0),
        )
    )


def _turns(cells: Sequence[CellPoint], arms: Sequence[str], confidence: float) -> list[tuple[str, str, str, str]]:
    """Arm, place, and in words when it fell below its base and below or above the first arm."""
    against_base = turns(cells, confidence=confidence)
    against_first = {
        (turn.arm, _place(turn.axes)): _said(turn) for turn in turns(cells, against=arms[0], confidence=confidence)
    }
    return [
        (
            turn.arm,
            _place(turn.axes),
            _said(turn),
            against_first.get((turn.arm, _place(turn.axes)), "–"),
        )
        for turn in against_base
    ]


def _place(axes: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis}={value}" for axis, value in axes.items())


def _said(turn: Turn) -> str:
    word = {1: "above from", -1: "below from", 0: "undecided at"}[turn.side]
    where = f"step {turn.step}" + ("" if math.isnan(turn.intensity) else f" ({turn.intensity:.4g} a problem)")
    moved, low, high = (100 * end for end in (turn.difference.estimate, turn.difference.low, turn.difference.high))
    return f"{word} {where}: {moved:+.1f}" + ("" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]")


def _measured(cells: Iterable[CellPoint], confidence: float) -> Iterable[_Measured]:
    groups: dict[tuple[str, str, int], list[CellPoint]] = {}
    for cell in cells:
        groups.setdefault((cell.arm, _place(cell.axes), cell.step), []).append(cell)
    for (arm, place, step), found in groups.items():
        ks = min((cell.ks for cell in found), key=len)
        same = [cell for cell in found if cell.ks == ks]  # seeds measured with fewer rollouts have another area
        yield _Measured(
            arm=arm,
            place=place,
            step=step,
            seeds=len(same),
            intensity=rollouts_each(same),
            first=math.fsum(cell.points[0].estimate for cell in same) / len(same),
            last=math.fsum(cell.points[len(ks) - 1].estimate for cell in same) / len(same),
            area=over_seeds(same, confidence=confidence),
            final=step == max(other for name, where, other in groups if (name, where) == (arm, place)),
        )


def _map(measured: Sequence[_Measured], styles: Mapping[str, int]) -> dict[str, Any] | None:
    """Area less the base's, in points, against rollouts per problem."""
    drawn = [one for one in measured if one.intensity > 0]
    if not drawn:
        return None
    xs = [one.intensity for one in drawn]
    ends = [100 * end for one in drawn if one.final for end in (one.area.low, one.area.high) if not math.isnan(end)]
    ys = [0.0, *(100 * one.area.estimate for one in drawn), *ends]
    x, y = _across(xs, log=True), replace(_up(ys), signed=True)
    return _picture(drawn, styles, x, y, lambda one: (one.intensity, 100 * one.area.estimate)) | {
        "bars": [
            (x.at(one.intensity), y.at(100 * one.area.low), y.at(100 * one.area.high), styles[one.arm])
            for one in drawn
            if one.final and not math.isnan(one.area.low)
        ],
        "zero": y.at(0.0),
    }


def _frontier(measured: Sequence[_Measured], styles: Mapping[str, int], bases: Sequence[CellPoint]) -> dict[str, Any]:
    """pass@k at the largest k against pass@1: the base and it drawn colder, and the training of each arm in each place."""
    untrained = {cell.arm: (100 * cell.points[0].estimate, 100 * cell.points[-2].estimate) for cell in bases}
    x = _across([*(100 * one.first for one in measured), *(first for first, _ in untrained.values())])
    y = _up([*(100 * one.last for one in measured), *(last for _, last in untrained.values())])
    found = _picture(measured, styles, x, y, lambda one: (100 * one.first, 100 * one.last))
    at = {name: (x.at(first), y.at(last)) for name, (first, last) in untrained.items()}
    found["lines"] += [(0, " ".join(f"{a},{b}" for a, b in sorted(at.values())))] if at else []
    found["points"] += [(a, b, 0, True, f"{name}: pass@1 {untrained[name][0]:.1f}%") for name, (a, b) in at.items()]
    return found | {"bars": [], "zero": None}


def _picture(measured: Sequence[_Measured], styles: Mapping[str, int], x: _Axis, y: _Axis, of: Any) -> dict[str, Any]:
    lines: dict[tuple[str, str], list[_Measured]] = {}
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


def _told(one: _Measured) -> str:
    where = ", ".join(filter(None, [one.arm, one.place, f"step {one.step}"]))
    return f"{where}: area {100 * one.area.estimate:+.1f} points from the base, pass@1 {100 * one.first:.1f}%"


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

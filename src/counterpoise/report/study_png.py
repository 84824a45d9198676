"""A study as one picture: for each bed the map of `study_page` and its frontier (matplotlib, extra `plot`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.differences import MeasuredStudy
from counterpoise.report.figures import Drawer, colour_of, dashes_of, legend_key, log_ticks, marker_of, write_figure
from counterpoise.report.study_points import StudyPoint, bed_parts, study_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_study_png"]

_SIZE = (5.6, 3.7)
_TICKS = 8
_SMALL, _LARGE = 2.5, 6.0


def write_study_png(study: MeasuredStudy, path: Path, *, title: str) -> Path:
    """Write the picture: the area under pass@k less the base's against rollouts a problem, and pass@k against pass@1.

    A line follows an arm through its training in one place, mean over its seeds; its last step is large and has the interval.

    Args:
        study: what was measured.
        path: of the PNG.
        title: stands over the pictures of a study without beds.

    Raises:
        DataError: no arm was measured beside its base.
        MissingExtraError: matplotlib is not installed.
        StoreError: the file cannot be written.
    """
    styles = {arm: number for number, arm in enumerate(study.arms, start=1)}
    drawers = [drawer for bed, part in bed_parts(study) for drawer in _of_bed(bed or title, part, styles)]
    if not drawers:
        raise DataError(f"{path}: no arm of the study was measured beside its base yet, so there is nothing to draw")
    handles = [legend_key(0, "base"), *(legend_key(style, arm) for arm, style in styles.items())]
    return write_figure(path, drawers, columns=2, size=_SIZE, handles=handles)


def _of_bed(name: str, part: MeasuredStudy, styles: Mapping[str, int]) -> Iterator[Drawer]:
    points = sorted(study_points(part), key=lambda one: one.step)
    if not points:
        return
    place = name.replace("$", r"\$")
    seen = [one for one in points if one.intensity > 0 and not math.isnan(one.area.estimate)]
    if seen:
        yield partial(_map, points=seen, styles=styles, title=f"{place}: area less base, points")
    base = [(cell.points[0].estimate, cell.points[-2].estimate) for cell in part.cells if cell.seed is None]
    k = max(cell.ks[-1] for cell in part.cells)
    yield partial(_frontier, points=points, base=base, styles=styles, title=f"{place}: pass@{k} against pass@1, %")


def _map(axes: Axes, *, points: Sequence[StudyPoint], styles: Mapping[str, int], title: str) -> None:
    axes.axhline(0, color=colour_of(0), linewidth=1, linestyle="--")
    for line in _lines(points):
        _follow(axes, line, styles, [one.intensity for one in line], [100 * one.area.estimate for one in line])
        last = line[-1]
        if not math.isnan(last.area.low):
            ends = [100 * last.area.low, 100 * last.area.high]
            axes.plot([last.intensity] * 2, ends, color=colour_of(styles[last.arm]), linewidth=1.2, alpha=0.6)
    low, high = (math.log2(end([one.intensity for one in points])) for end in (min, max))
    whole = range(math.floor(low), math.ceil(high) + 1)
    log_ticks(axes, [2.0**e for e in whole[:: math.ceil(len(whole) / _TICKS)]], label="rollouts per training problem")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _frontier(
    axes: Axes,
    *,
    points: Sequence[StudyPoint],
    base: Sequence[tuple[float, float]],
    styles: Mapping[str, int],
    title: str,
) -> None:
    if base:
        first, last = zip(*sorted(base), strict=True)
        axes.plot(
            [100 * value for value in first],
            [100 * value for value in last],
            color=colour_of(0),
            marker="o",
            markersize=_LARGE,
            linewidth=1.2,
        )
    for line in _lines(points):
        _follow(axes, line, styles, [100 * one.first for one in line], [100 * one.last for one in line])
    axes.set_xlabel("pass@1, %", fontsize=9)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _lines(points: Sequence[StudyPoint]) -> list[list[StudyPoint]]:
    found: dict[tuple[str, str], list[StudyPoint]] = {}
    for one in points:
        found.setdefault((one.arm, one.place), []).append(one)
    return list(found.values())


def _follow(
    axes: Axes, line: Sequence[StudyPoint], styles: Mapping[str, int], xs: Sequence[float], ys: Sequence[float]
) -> None:
    style = styles[line[0].arm]
    axes.plot(xs, ys, color=colour_of(style), linestyle=dashes_of(style), linewidth=1.5, alpha=0.8)
    for x, y, one in zip(xs, ys, line, strict=True):
        marker, size = (marker_of(style), _LARGE) if one.final else ("o", _SMALL)
        axes.plot([x], [y], marker, color=colour_of(style), markersize=size)

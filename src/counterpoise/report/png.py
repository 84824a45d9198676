"""A `Report` as pictures for a paper or a README: pass@k, differences, training, and an overview (matplotlib, extra `plot`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise.evaluation.statistics.bands import BandPoint
from counterpoise.report.figures import (
    LINES,
    Drawer,
    colour_of,
    dashes_of,
    legend_key,
    log_ticks,
    marker_of,
    write_figure,
)
from counterpoise.report.metrics import Panel, choose_panels
from counterpoise.report.paper import PublishedCurves, find_published
from counterpoise.report.records import Breakdown, Report, Run
from counterpoise.report.series import thinned, with_stand_ins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_png"]

_VARIANTS = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_OVERVIEW = ("success", "entropy", "polarity", "groups")
_SMOOTHED = 0.04


def write_png(report: Report, directory: Path, *, paper: str | None = None) -> list[Path]:
    """Write passk.png, differences.png, training.png and overview.png; those without anything to show are left out. The files.

    overview.png holds pass@k, the differences from the reference, and up to four charts of training with
    their first column alone: the picture of a report. Values of training are smoothed, the raw ones faint behind them.

    Args:
        report: what to draw.
        directory: where to; made where it is missing.
        paper: published curves to lay under pass@k, as in `render_page`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UnknownNameError: the paper has no such curves.
        StoreError: a file cannot be written.
    """
    published = find_published(paper) if paper is not None else None
    report = replace(report, runs=tuple(map(with_stand_ins, report.runs)))
    panels = [panel for panel in choose_panels(n for run in report.runs for n in run.columns) if panel.rank != "folded"]
    overview = [_first_column(panel) for key in _OVERVIEW for panel in panels if panel.key == key]
    curves: list[Drawer] = []
    if report.sections:
        curves.append(lambda axes: _curves(axes, report.sections[0], published))
    differences: list[Drawer] = []
    if report.sections and report.sections[0].against:
        differences.append(lambda axes: _differences(axes, report.sections[0]))
    pictures: dict[str, tuple[Sequence[Drawer], int, tuple[float, float]]] = {
        "passk": (curves, 1, (6.4, 4.6)),
        "differences": (differences, 1, (6.4, 4.6)),
        "training": ([_panel_drawer(panel, report.runs) for panel in panels], 3, (4.2, 2.9)),
        "overview": (
            [*curves, *differences, *(_panel_drawer(panel, report.runs) for panel in overview)],
            2,
            (5.6, 3.5),
        ),
    }
    written = []
    for name, (drawers, columns, size) in pictures.items():
        if drawers:
            written.append(
                write_figure(directory / f"{name}.png", drawers, columns=columns, size=size, handles=_handles(report))
            )
    return written


def _handles(report: Report) -> list[object]:
    handles = [legend_key(entry.style, entry.name) for entry in report.entries]
    drawn = {entry.name for entry in report.entries}
    return handles + [
        legend_key(style, run.name)
        for style, run in enumerate(report.runs, start=1)
        if run.name not in drawn and run.steps
    ]


def _curves(axes: Axes, section: Breakdown, published: PublishedCurves | None) -> None:
    for entry, curve in zip(section.entries, section.curves, strict=True):
        _band(axes, section.ks, curve, entry.style, (0.0, 1.0))
    ks = set(section.ks)
    if published is not None:
        ks |= set(published.ks)
        for variant, (method, shares) in enumerate(published.methods.items()):
            dash = LINES[_VARIANTS[variant % len(_VARIANTS)]]
            axes.plot(
                published.ks,
                [100 * share for share in shares],
                color="#8a91a0",
                linewidth=0.9,
                linestyle=dash,
                zorder=1,
            )
            axes.annotate(method, (published.ks[-1], 100 * shares[-1]), fontsize=6, color="#565e6f")
    log_ticks(axes, sorted(ks), label="k (tries)")
    axes.set_title("pass@k, %", loc="left", fontsize=10, fontweight="bold")


def _differences(axes: Axes, section: Breakdown) -> None:
    against = section.against[0]
    styles = {entry.name: entry.style for entry in section.entries}
    axes.axhline(0, color="#565e6f", linewidth=1)
    for difference in against.differences:
        comparison = difference.comparison
        _band(axes, comparison.ks, comparison.points, styles[comparison.after], (-1.0, 1.0))
        found = comparison.crossing
        if found is not None and found.state == "crosses":
            axes.plot([found.k], [0], marker="x", color=colour_of(styles[comparison.after]), markersize=7, zorder=5)
    log_ticks(axes, section.ks, label="k (tries)")
    axes.set_title(f"difference from {against.reference}, points", loc="left", fontsize=10, fontweight="bold")


def _band(axes: Axes, ks: Sequence[int], points: Sequence[BandPoint], style: int, limits: tuple[float, float]) -> None:
    low, high = ([100 * min(max(end, limits[0]), limits[1]) for end in ends] for ends in _ends(points))
    axes.fill_between(ks, low, high, color=colour_of(style), alpha=0.13, linewidth=0)
    axes.plot(
        ks,
        [100 * point.estimate for point in points],
        color=colour_of(style),
        linestyle=dashes_of(style),
        marker=marker_of(style),
        markersize=4.5,
        linewidth=1.8,
    )


def _ends(points: Sequence[BandPoint]) -> tuple[list[float], list[float]]:
    return [point.band_low for point in points], [point.band_high for point in points]


def _first_column(panel: Panel) -> Panel:
    column, label = next(iter(panel.columns.items()))
    title = panel.title if len(panel.columns) == 1 else f"{panel.title}: {label}"
    return replace(panel, title=title, columns={column: label})


def _panel_drawer(panel: Panel, runs: Sequence[Run]) -> Drawer:
    return lambda axes: _panel(axes, panel, runs)


def _panel(axes: Axes, panel: Panel, runs: Sequence[Run]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for style, run in enumerate(runs, start=1):
        run_steps, columns = thinned(run, panel.columns)
        for variant, column in enumerate(panel.columns):
            pairs = zip(run_steps, columns.get(column, (None,) * len(run_steps)), strict=True)
            known = [(step, value) for step, value in pairs if value is not None]
            if known:
                steps, values = zip(*known, strict=True)
                dash = LINES[_VARIANTS[variant % len(_VARIANTS)]]
                colour, smooth = colour_of(style), _smoothed(values)
                if smooth != list(values):
                    axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.25)
                axes.plot(steps, smooth, color=colour, linestyle=dash, linewidth=1.3)
    axes.set_title(f"{panel.title} ({panel.unit})" if panel.unit else panel.title, loc="left", fontsize=9)
    if len(panel.columns) > 1:
        handles = [
            Line2D([], [], color="#565e6f", linestyle=LINES[_VARIANTS[i % len(_VARIANTS)]], label=label)
            for i, label in enumerate(panel.columns.values())
        ]
        axes.legend(handles=handles, fontsize=7, frameon=False, handlelength=2.6)


def _smoothed(values: Sequence[float]) -> list[float]:
    """Centred means over 4% of the values, as the page draws them: shorter towards the ends, but never over a few values alone."""
    half = round(len(values) * _SMOOTHED / 2)
    if not half:
        return list(values)
    reaches = (max(min(half, i, len(values) - 1 - i), math.ceil(half / 3)) for i in range(len(values)))
    near = [values[max(0, i - reach) : i + reach + 1] for i, reach in enumerate(reaches)]
    return [math.fsum(part) / len(part) for part in near]

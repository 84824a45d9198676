"""A `Report` as pictures for a paper or a README: pass@k, differences, training, and an overview (matplotlib, extra `plot`)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.errors import MissingExtraError
from counterpoise.evaluation.statistics.bands import BandPoint
from counterpoise.files import atomic_write
from counterpoise.report.charts import SYMBOLS, dash_of, style_slot
from counterpoise.report.metrics import Panel, choose_panels
from counterpoise.report.paper import PublishedCurves, find_published
from counterpoise.report.records import Breakdown, Report, Run
from counterpoise.report.series import thinned, with_stand_ins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "write_png"]

COLOURS = ("#3d4453", "#0067ab", "#c84b00", "#00795c", "#9a3d8e", "#846200", "#0e7490", "#b3264a", "#5a4fcf")
"""Colour of a base and of each run: those of the page in daylight (templates/theme.css)."""

_MARKERS: Mapping[str, str] = dict(zip(SYMBOLS, ("o", "s", "D", "^", "P", "X", "v", "*"), strict=True))
_LINES: Mapping[str, Any] = {
    "solid": "-",
    "dot": (0, (1, 1.6)),
    "dash": (0, (5, 2.5)),
    "dashdot": (0, (5, 2, 1, 2)),
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 2, 1, 2)),
}
_VARIANTS = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_DPI = 160
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
    curves: list[Callable[[Axes], None]] = []
    if report.sections:
        curves.append(lambda axes: _curves(axes, report.sections[0], published))
    differences: list[Callable[[Axes], None]] = []
    if report.sections and report.sections[0].against:
        differences.append(lambda axes: _differences(axes, report.sections[0]))
    pictures: dict[str, tuple[Sequence[Callable[[Axes], None]], int, tuple[float, float]]] = {
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
            written.append(_write(directory / f"{name}.png", drawers, columns, size, report))
    return written


def _write(
    path: Path, drawers: Sequence[Callable[[Axes], None]], columns: int, size: tuple[float, float], report: Report
) -> Path:
    figure = _figure(len(drawers), columns, size)
    for axes, drawer in zip(figure.axes, drawers, strict=True):
        drawer(axes)
    handles = [_key(entry.style, entry.name) for entry in report.entries]
    drawn = {entry.name for entry in report.entries}
    handles += [
        _key(style, run.name) for style, run in enumerate(report.runs, start=1) if run.name not in drawn and run.steps
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(len(handles), 5),
        frameon=False,
        fontsize=9,
        handlelength=3.2,
    )
    picture = io.BytesIO()
    figure.savefig(picture, dpi=_DPI, format="png")
    atomic_write(path, lambda handle: handle.write(picture.getvalue()))
    return path


def _figure(number: int, columns: int, size: tuple[float, float]) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", extra="plot", purpose="writing pictures") from error
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.4), layout="constrained")
    for place in range(1, number + 1):
        axes = figure.add_subplot(rows, columns, place)
        axes.grid(visible=True, color="#e6e8ee", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#9aa1b0")
        axes.tick_params(colors="#565e6f", labelsize=8)
        axes.set_axisbelow(True)
    return figure


def _curves(axes: Axes, section: Breakdown, published: PublishedCurves | None) -> None:
    for entry, curve in zip(section.entries, section.curves, strict=True):
        _band(axes, section.ks, curve, entry.style, (0.0, 1.0))
    ks = set(section.ks)
    if published is not None:
        ks |= set(published.ks)
        for variant, (method, shares) in enumerate(published.methods.items()):
            dash = _LINES[_VARIANTS[variant % len(_VARIANTS)]]
            axes.plot(
                published.ks,
                [100 * share for share in shares],
                color="#8a91a0",
                linewidth=0.9,
                linestyle=dash,
                zorder=1,
            )
            axes.annotate(method, (published.ks[-1], 100 * shares[-1]), fontsize=6, color="#565e6f")
    _log_axis(axes, sorted(ks))
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
            axes.plot([found.k], [0], marker="x", color=_colour(styles[comparison.after]), markersize=7, zorder=5)
    _log_axis(axes, section.ks)
    axes.set_title(f"difference from {against.reference}, points", loc="left", fontsize=10, fontweight="bold")


def _band(axes: Axes, ks: Sequence[int], points: Sequence[BandPoint], style: int, limits: tuple[float, float]) -> None:
    low, high = ([100 * min(max(end, limits[0]), limits[1]) for end in ends] for ends in _ends(points))
    axes.fill_between(ks, low, high, color=_colour(style), alpha=0.13, linewidth=0)
    axes.plot(
        ks,
        [100 * point.estimate for point in points],
        color=_colour(style),
        linestyle=_line(style),
        marker=_marker(style),
        markersize=4.5,
        linewidth=1.8,
    )


def _ends(points: Sequence[BandPoint]) -> tuple[list[float], list[float]]:
    return [point.band_low for point in points], [point.band_high for point in points]


def _first_column(panel: Panel) -> Panel:
    column, label = next(iter(panel.columns.items()))
    title = panel.title if len(panel.columns) == 1 else f"{panel.title}: {label}"
    return replace(panel, title=title, columns={column: label})


def _panel_drawer(panel: Panel, runs: Sequence[Run]) -> Callable[[Axes], None]:
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
                dash = _LINES[_VARIANTS[variant % len(_VARIANTS)]]
                colour, smooth = _colour(style), _smoothed(values)
                if smooth != list(values):
                    axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.25)
                axes.plot(steps, smooth, color=colour, linestyle=dash, linewidth=1.3)
    axes.set_title(f"{panel.title} ({panel.unit})" if panel.unit else panel.title, loc="left", fontsize=9)
    if len(panel.columns) > 1:
        handles = [
            Line2D([], [], color="#565e6f", linestyle=_LINES[_VARIANTS[i % len(_VARIANTS)]], label=label)
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


def _log_axis(axes: Axes, ks: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()
    axes.set_xlabel("k (tries)", fontsize=9)


def _key(style: int, name: str) -> Any:
    from matplotlib.lines import Line2D

    # A dollar sign would begin a formula.
    label = name.replace("$", r"\$")
    return Line2D(
        [], [], color=_colour(style), linestyle=_line(style), marker=_marker(style), markersize=5, label=label
    )


def _colour(style: int) -> str:
    return COLOURS[style_slot(style)]


def _line(style: int) -> Any:
    return _LINES[dash_of(style)]


def _marker(style: int) -> str:
    return _MARKERS[SYMBOLS[style_slot(style) - 1]] if style > 0 else "o"

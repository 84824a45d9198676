"""Figures of matplotlib (extra `plot`) in the style of the pages: colours, lines and markers of a style, empty axes, one legend, a file."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.errors import MissingExtraError
from counterpoise.files import atomic_write
from counterpoise.report.charts import SYMBOLS, dash_of, style_slot, symbol_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "LINES",
    "Drawer",
    "check_matplotlib",
    "colour_of",
    "dashes_of",
    "legend_key",
    "log_ticks",
    "marker_of",
    "write_figure",
]

Drawer = Callable[["Axes"], None]
"""Fills one pair of axes."""

COLOURS = ("#3d4453", "#0067ab", "#c84b00", "#00795c", "#9a3d8e", "#846200", "#0e7490", "#b3264a", "#5a4fcf")
"""Colour of a base and of each run: those of the page in daylight (templates/theme.css)."""

LINES: Mapping[str, Any] = {
    "solid": "-",
    "dot": (0, (1, 1.6)),
    "dash": (0, (5, 2.5)),
    "dashdot": (0, (5, 2, 1, 2)),
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 2, 1, 2)),
}
"""Dashes of matplotlib by the names that pages give them."""

_MARKERS: Mapping[str, str] = dict(zip(SYMBOLS, ("o", "s", "D", "^", "P", "X", "v", "*"), strict=True))
_DPI = 160


def check_matplotlib() -> None:
    """See that there is what draws.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", extra="plot", purpose="writing pictures") from error


def write_figure(
    path: Path, drawers: Sequence[Drawer], *, columns: int, size: tuple[float, float], handles: Sequence[Any]
) -> Path:
    """Draw each pair of axes and write them as one PNG under one legend.

    Args:
        path: of the file.
        drawers: one for each pair of axes, row by row.
        columns: pairs of axes in a row, at most.
        size: inches of a pair of axes.
        handles: entries of the legend, from `legend_key`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StoreError: the file cannot be written.
    """
    figure = _figure(len(drawers), columns, size)
    for axes, drawer in zip(figure.axes, drawers, strict=True):
        drawer(axes)
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


def legend_key(style: int, name: str) -> Any:
    """The entry of a legend for a style."""
    from matplotlib.lines import Line2D

    # A dollar sign would begin a formula.
    label = name.replace("$", r"\$")
    return Line2D(
        [], [], color=colour_of(style), linestyle=dashes_of(style), marker=marker_of(style), markersize=5, label=label
    )


def log_ticks(axes: Axes, ticks: Sequence[float], *, label: str) -> None:
    """Put the horizontal axis on a scale of powers of two, with these ticks."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(label, fontsize=9)


def colour_of(style: int) -> str:
    """Its colour."""
    return COLOURS[style_slot(style)]


def dashes_of(style: int) -> Any:
    """Its dashes."""
    return LINES[dash_of(style)]


def marker_of(style: int) -> str:
    """Its marker; a base's is a circle."""
    return _MARKERS[symbol_of(style)] if style > 0 else "o"


def _figure(number: int, columns: int, size: tuple[float, float]) -> Figure:
    check_matplotlib()
    from matplotlib.figure import Figure

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

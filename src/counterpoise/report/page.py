"""A `Report` as one HTML file that needs no network: styles, scripts, Plotly and data are inside it.

Everything that a model or a file could have written goes through Jinja's escaping, and data for scripts is JSON in which no `<` is left.
A content security policy in the page forbids every request and every script but its own.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import counterpoise
from counterpoise.evaluation.result_lines import result_lines
from counterpoise.report import words
from counterpoise.report.bundle import packed_plotly
from counterpoise.report.cards import make_cards
from counterpoise.report.charts import (
    EVENTS,
    SYMBOLS,
    chart_data,
    crowded,
    dash_of,
    event_symbols,
    style_slot,
    symbol_of,
)
from counterpoise.report.headline import headline, in_short
from counterpoise.report.metrics import choose_panels, set_flat_lines_aside
from counterpoise.report.paper import find_published, published_curves
from counterpoise.report.records import Breakdown, Report, Run
from counterpoise.report.rollouts import kind_counts, rollout_data
from counterpoise.report.series import width_drawn, with_stand_ins
from counterpoise.text import visible

__all__ = ["page_environment", "render_page"]

_GLYPHS = dict(zip(SYMBOLS, "●■◆▲✚✖▼★", strict=True))
_STROKES = {
    "solid": "",
    "dash": "7 4",
    "dot": "2 4",
    "dashdot": "8 4 2 4",
    "longdash": "12 5",
    "longdashdot": "12 4 2 4",
}


def render_page(report: Report, *, paper: str | None = None) -> str:
    """The page as text.

    Args:
        report: what to show.
        paper: published curves shown when the page is opened, `MODEL` or `MODEL:BENCHMARK`; None shows none until asked.

    Raises:
        UnknownNameError: the paper has no such curves.
        MissingExtraError: the package plotly is not installed.
    """
    shown = find_published(paper).key if paper is not None else ""
    report = replace(report, runs=tuple(map(with_stand_ins, report.runs)))
    panels, constants = set_flat_lines_aside(
        choose_panels(name for run in report.runs for name in run.columns), report.runs
    )
    published = published_curves()
    kinds = event_symbols(report.runs)
    data = chart_data(report, panels, published)
    cards, shared = make_cards(report)
    configured, differences = words.configuration_table(report.runs)
    text = (
        page_environment()
        .get_template("report.html")
        .render(
            report=report,
            version=counterpoise.__version__,
            made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.made)),
            nonce=secrets.token_urlsafe(16),
            headline=headline(report),
            cards=cards,
            compared={card.compared for card in cards if card.compared},
            shared=shared,
            findings=words.findings(report),
            configured=configured,
            differences=differences,
            crowded=[crowded(section) for section in report.sections],
            notes=[
                *report.notes,
                *(f"{run.name}: {note}" for run in report.runs for note in (*run.notes, *_left_out(run))),
            ],
            events=EVENTS,
            tables=[_table(section) for section in report.sections],
            panels=[(panel, words.panel_summary(panel, report.runs)) for panel in panels],
            constants=words.flat_sentences([one for one in constants if one.rank != "folded"]),
            folded_constants=words.flat_sentences([one for one in constants if one.rank == "folded"]),
            kinds=[(_GLYPHS[symbol], kind) for kind, symbol in kinds.items()],
            evaluations="evaluations" in data["charts"],
            trained=[(style, run) for style, run in enumerate(report.runs, start=1) if run.steps],
            samples=report.samples,
            rollout_kinds={name: kind_counts(found) for name, found in report.samples.items()},
            configurations=_configurations(report.runs),
            beside={e.name: result_lines(e.result) for e in report.entries if e.result is not None},
            published=published,
            paper=shown,
            data=_json(
                data
                | {"shown": shown, "eventSymbols": kinds}
                | {"rollouts": [rollout_data(found) for found in report.samples.values()]}
            ),
            plotly=packed_plotly(),
        )
    )
    # A lone surrogate (a model can write one) has no UTF-8 form.
    return text.encode("utf-8", "replace").decode("utf-8")


def _left_out(run: Run) -> list[str]:
    """What the page does not show of a long run."""
    said, width = [], width_drawn(run)
    if width > 1:
        said.append(f"{len(run.steps)} steps are drawn as means of {width}; metrics.jsonl and --csv hold every step")
    if len(run.events) > EVENTS:
        said.append(f"the last {EVENTS} of {len(run.events)} events are shown; events.jsonl and --csv hold all")
    return said


def page_environment() -> Environment:
    """Jinja with our templates: everything is escaped, and pages share their words and styles."""
    environment = Environment(
        loader=PackageLoader("counterpoise.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "points": words.points,
        "visible": visible,
        "breakable": _breakable,
    }
    environment.globals |= {
        "slot": style_slot,
        "swatch": _swatch,
        "crossing": words.crossing_words,
        "difference_summary": words.difference_summary,
        "curve_summary": words.curve_summary,
        "in_short": in_short,
        "strict": lambda *lists: zip(*lists, strict=True),
    }
    return environment


def _breakable(text: str) -> Markup:
    """A name that may be folded behind its underscores."""
    return Markup(str(escape(visible(text))).replace("_", "_<wbr>"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    value: str
    best: bool
    difference: str
    interval: str
    sign: str
    """`up` or `down` where the band leaves out zero."""


def _json(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a script element: no `<`, `>`, `&` or line separator is left in it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _swatch(style: int) -> dict[str, str]:
    """Dash and glyph of a legend entry."""
    glyph = _GLYPHS[symbol_of(style)] if style > 0 else ""
    return {"stroke": _STROKES[dash_of(style)], "glyph": glyph}


def _table(section: Breakdown) -> list[tuple[str, int, list[_Cell]]]:
    """Rows of the table: name, style and a cell for each k."""
    compared = {d.comparison.after: d.comparison for a in section.against[:1] for d in a.differences}
    values = [[words.percent(point.estimate) for point in curve] for curve in section.curves]
    # What is marked is the highest figure as shown: a difference that the table hides is none.
    best = [max((float(row[i]) for row in values if row[i] != "–"), default=math.nan) for i in range(len(section.ks))]
    rows = []
    for entry, row in zip(section.entries, values, strict=True):
        cells = []
        for i, value in enumerate(row):
            point = compared[entry.name].points[i] if entry.name in compared else None
            known = point is not None and not math.isnan(point.low)
            cells.append(
                _Cell(
                    value=value,
                    best=value != "–" and float(value) == best[i] and len(section.entries) > 1,
                    difference=words.points(point.estimate) if point is not None else "",
                    interval=f"[{words.points(point.low)}, {words.points(point.high)}]" if point and known else "",
                    sign=words.direction(point) if point else "",
                )
            )
        rows.append((entry.name, entry.style, cells))
    return rows


def _configurations(runs: Sequence[Run]) -> list[tuple[Run, list[tuple[str, bool]]]]:
    """Each run with the lines of its run file, and whether a line's key differs between the runs."""
    differing = set(words.differing_keys(runs))
    marked = []
    for run in runs:
        section, key, lines = "", "", []
        for line in run.config_text.splitlines():
            if not line.strip():
                key = ""
            elif line.startswith("["):
                section, key = line.strip("[] ") + ".", ""
            elif "=" in line and not line.startswith((" ", "\t", "]")):
                key = section + line.partition("=")[0].strip().strip("\"'")
            lines.append((visible(line), key in differing))
        marked.append((run, lines))
    return marked

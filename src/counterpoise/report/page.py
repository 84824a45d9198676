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
from counterpoise.evaluation.bands import BandPoint
from counterpoise.evaluation.result_lines import result_lines
from counterpoise.report import words
from counterpoise.report.bundle import packed_plotly
from counterpoise.report.charts import EVENTS, SYMBOLS, chart_data, dash_of, style_slot
from counterpoise.report.metrics import choose_panels
from counterpoise.report.paper import find_published, published_curves
from counterpoise.report.records import Breakdown, Report, Run, ShownRollout, ShownRollouts
from counterpoise.report.series import width_drawn, with_stand_ins
from counterpoise.text import counted, visible

__all__ = ["render_page"]

_TOKENS = 400
"""Tokens shown of one rollout."""
_CHARACTERS = 4000
"""Characters shown of a text."""
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
    panels = choose_panels(name for run in report.runs for name in run.columns)
    published = published_curves()
    data = chart_data(report, panels, published)
    text = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            version=counterpoise.__version__,
            made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.made)),
            nonce=secrets.token_urlsafe(16),
            cards=[_card(report, style, run) for style, run in enumerate(report.runs, start=1)],
            findings=words.findings(report),
            differences=words.config_differences(report.runs),
            notes=[
                *report.notes,
                *(f"{run.name}: {note}" for run in report.runs for note in (*run.notes, *_left_out(run))),
            ],
            events=EVENTS,
            tables=[_table(section) for section in report.sections],
            panels=[(panel, words.panel_summary(panel, report.runs)) for panel in panels],
            evaluations="evaluations" in data["charts"],
            trained=[(style, run) for style, run in enumerate(report.runs, start=1) if run.steps],
            samples={name: _samples(found) for name, found in report.samples.items()},
            configurations=_configurations(report.runs),
            beside={e.name: result_lines(e.result) for e in report.entries if e.result is not None},
            published=published,
            paper=shown,
            data=_json(data | {"shown": shown}),
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


def _environment() -> Environment:
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
    glyph = _GLYPHS[SYMBOLS[style_slot(style) - 1]] if style > 0 else ""
    return {"stroke": _STROKES[dash_of(style)], "glyph": glyph}


def _card(report: Report, style: int, run: Run) -> dict[str, Any]:
    facts = []
    if run.config:
        named = {"rule": "credit.rule", "model": "model.name", "task": "tasks.name"}
        facts += [(label, str(run.config[key])) for label, key in named.items() if key in run.config]
    if run.kind == "run":
        wanted = run.config.get("learner.steps")
        done = run.steps[-1] if run.steps else 0
        facts.append(("steps", f"{done} of {wanted}" if wanted is not None else str(done)))
    # The steps' own time: between the first and the last line of metrics there may be a night in which nothing ran.
    seconds = math.fsum(value for value in run.columns.get("seconds", ()) if value is not None and math.isfinite(value))
    if seconds > 0.0:
        facts.append(("trained for", _duration(seconds)))
    if run.ended is not None:
        facts.append(("last step at", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.ended))))
    if run.kind != "run":
        facts.append(("kind", "evaluation" if run.kind == "evaluation" else "file of counts"))
    return {"name": run.name, "style": style, "facts": facts, "scores": _scores(report, run)}


def _scores(report: Report, run: Run) -> list[tuple[str, str, str]]:
    """(label, value, difference) at the smallest and the largest k that is defined.

    The difference is from the report's reference where both answered the same problems, else from the run's own base.
    """
    if run.contender is None or not report.sections:
        return []
    section = report.sections[0]
    index = next(i for i, entry in enumerate(section.entries) if entry.name == run.name)
    defined = [i for i, point in enumerate(section.curves[index]) if not math.isnan(point.estimate)]
    if not defined:
        return []
    other = _compared_on_card(section, run)
    scores = []
    for i in sorted({defined[0], defined[-1]}):
        here = section.curves[index][i].estimate
        # Of the same problems, so that the difference of the means is the mean difference.
        change = f"{words.points(here - other[1][i].estimate)} points from {other[0]}" if other is not None else ""
        scores.append((f"pass@{section.ks[i]}", f"{words.percent(here)}%", change))
    return scores


def _compared_on_card(section: Breakdown, run: Run) -> tuple[str, Sequence[BandPoint]] | None:
    """Name and curve of the entry that a run's card shows a difference from; None without one on the run's own problems."""
    curves = {entry.name: curve for entry, curve in zip(section.entries, section.curves, strict=True)}
    for against in section.against[:1]:
        if any(d.comparison.after == run.name and d.refused is None for d in against.differences):
            return against.reference, curves[against.reference]
        if against.reference == run.name:
            return None
    assert run.contender is not None
    ids = {problem.problem_id for problem in run.contender.counts}
    for first in run.evaluations[:1]:
        if first.step == 0 and run.step != 0 and {problem.problem_id for problem in first.result.counts} == ids:
            own = [entry for entry in section.entries if entry.base and entry.contender.counts == first.result.counts]
            return (own[0].name, curves[own[0].name]) if own else None
    return None


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
                    sign="" if not point else "up" if point.band_low > 0 else "down" if point.band_high < 0 else "",
                )
            )
        rows.append((entry.name, entry.style, cells))
    return rows


def _samples(found: ShownRollouts) -> dict[str, Any]:
    return {
        "note": found.note,
        "groups": [
            ("Right, and the most probable", [_rollout(sample) for sample in found.best]),
            ("Wrong, and yet the most probable", [_rollout(sample) for sample in found.worst]),
        ],
    }


def _rollout(sample: ShownRollout) -> dict[str, Any]:
    """What the page shows of a rollout; a token has its text, the tenth its probability lies in, its sign and a tip."""
    tokens = []
    for place, (text, log_prob, credit) in enumerate(
        zip(sample.tokens, sample.log_probs, sample.credit, strict=True), 1
    ):
        # An end-of-sequence token has no text, nor has a part of a character.
        seen = visible(text) or ("⟨end⟩" if place == len(sample.tokens) else "·")
        probability = math.exp(min(log_prob, 0.0))
        sign = "u" if credit > 0 else "d" if credit < 0 else "z"
        tip = f"p {probability:.3g}, credit {credit:+.3g}"
        tokens.append((seen, min(int(10 * probability), 9), sign, tip))
    facts = [f"step {sample.step}"] if sample.step is not None else []
    if sample.mean_log_prob is not None:
        facts.append(f"mean log p {sample.mean_log_prob:.3f}")
    if sample.reward is not None:
        facts.append(f"reward {sample.reward:+.3g}")
    if sample.credit:
        low, high = min(sample.credit), max(sample.credit)
        facts.append(f"credit {high:+.3g}" if low == high else f"credit {low:+.3g} to {high:+.3g}")
    if sample.stop_reason == "length":
        facts.append("cut off at the token limit")
    return {
        "question": _cut(sample.question),
        "gold": _cut(sample.gold),
        "answer": _cut(sample.answer),
        "problem": visible(sample.problem_id),
        "verdict": sample.verdict.replace("_", " "),
        "right": sample.verdict == "correct",
        "text": _cut(sample.text),
        "tokens": tokens[:_TOKENS],
        "more": max(0, len(tokens) - _TOKENS),
        "facts": facts,
    }


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    shown = visible(text[:_CHARACTERS])
    return shown if len(text) <= _CHARACTERS else f"{shown} … ({counted(len(text) - _CHARACTERS, 'more character')})"


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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"

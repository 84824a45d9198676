"""What stands at the head of the page: a card for each run, with what it gained or lost, and what all of them have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

from counterpoise.report import words
from counterpoise.report.records import Breakdown, Report, Run
from counterpoise.runs.ended import last_step

__all__ = ["Card", "CardScore", "make_cards"]

_FACTS = {"rule": "credit.rule", "model": "model.name", "task": "tasks.name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardScore:
    """pass@k of a run at one k, and its change."""

    label: str
    """E.g. `pass@16`."""
    value: str
    """In per cent."""
    change: str
    """In points, signed; empty where there is nothing to compare with."""
    interval: str
    """Interval of the change; empty where it is undefined."""
    sign: str
    """`up` or `down` where the band over all k leaves out zero, else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One run at a glance."""

    name: str
    """Name of the run."""
    style: int
    """Its colour, dash and marker."""
    scores: tuple[CardScore, ...]
    """At one try and where runs differ most (`Breakdown.telling`); empty without an evaluation."""
    compared: str
    """What the changes are from, in words; empty where there are none."""
    facts: tuple[tuple[str, str], ...]
    """What it is a run of, as far as other runs differ in it."""


def make_cards(report: Report) -> tuple[list[Card], list[tuple[str, str]]]:
    """The cards, and the facts that several runs have in common, which no card repeats."""
    engines = any(run.kind == "log" for run in report.runs)
    facts = [_facts(run, engines=engines) for run in report.runs]
    shared = [fact for fact in facts[0] if all(fact in own for own in facts)] if len(facts) > 1 else []
    cards = []
    for style, (run, own) in enumerate(zip(report.runs, facts, strict=True), start=1):
        scores, compared = _scores(report, run)
        different = tuple(fact for fact in own if fact not in shared)
        cards.append(Card(name=run.name, style=style, scores=scores, compared=compared, facts=different))
    return cards, shared


def _facts(run: Run, *, engines: bool) -> list[tuple[str, str]]:
    """What it is a run of; with `engines` also what trained it, which else goes without saying."""
    facts = [(label, str(run.config[key])) for label, key in _FACTS.items() if key in run.config]
    if run.kind == "run" and engines:
        facts.append(("engine", "local"))
    if run.kind == "run":
        wanted = run.config.get("learner.steps")
        done = run.steps[-1] if run.steps else 0
        early = ", ended by its guards" if isinstance(wanted, int) and last_step(run.path, wanted) < wanted else ""
        facts.append(("steps", f"{done} of {wanted}{early}" if wanted is not None else str(done)))
    elif run.kind == "log":
        facts += [("engine", run.engine), ("steps", str(run.steps[-1]) if run.steps else "0")]
    else:
        facts.append(("kind", "evaluation" if run.kind == "evaluation" else "file of counts"))
    # The steps' own time: between the first and the last line of metrics there may be a night in which nothing ran.
    seconds = math.fsum(value for value in run.columns.get("seconds", ()) if value is not None and math.isfinite(value))
    if seconds > 0.0:
        facts.append(("trained for", _duration(seconds)))
    return facts


def _scores(report: Report, run: Run) -> tuple[tuple[CardScore, ...], str]:
    """At the telling k; the change is of the same problems, so it is the difference of the two means."""
    if run.contender is None or not report.sections:
        return (), ""
    section = report.sections[0]
    index = next(i for i, entry in enumerate(section.entries) if entry.name == run.name)
    curve = section.curves[index]
    ends = [i for i in section.telling() if not math.isnan(curve[i].estimate)]
    contrast = section.change_of(run.name)
    if contrast is None:
        plain = [
            CardScore(label=_label(section, i), value=words.percent(curve[i].estimate), change="", interval="", sign="")
            for i in ends
        ]
        return tuple(plain), ""
    scores = []
    for i in ends:
        point = contrast.comparison.points[i]
        scores.append(
            CardScore(
                label=_label(section, i),
                value=words.percent(curve[i].estimate),
                change="" if math.isnan(point.estimate) else words.points(point.estimate),
                interval="" if math.isnan(point.low) else f"{words.points(point.low)} to {words.points(point.high)}",
                sign=words.direction(point),
            )
        )
    base = contrast.comparison.base
    own = base == section.entries[index].own_base
    return tuple(scores), "its own base" if own else base


def _label(section: Breakdown, index: int) -> str:
    return f"pass@{section.ks[index]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"

"""The page's first sentence: where training made runs better, where worse, in words that need no statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counterpoise.evaluation.statistics.stretches import Stretch
from counterpoise.report import words
from counterpoise.report.records import Breakdown, Contrast, Report

__all__ = ["headline", "in_short"]

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NAMED = 3
"""Runs up to which a sentence names them; more are counted."""
_ITS_BASE, _THEIR_BASE = "its own base", "their own base"
_STATES = {"up": "better", "down": "worse", "": "not clearly different"}


def headline(report: Report) -> str:
    """One sentence on all problems: `Better than its own base up to 10 tries, worse from 61 tries on.`"""
    if not report.sections:
        return "Not evaluated yet: there is no pass@k to show."
    section = report.sections[0]
    changes = [change for run in report.runs if (change := section.change_of(run.name)) is not None]
    if len(changes) > 1:
        return _of_several(section, changes)
    if changes:
        against = _ITS_BASE if _with_own_base(section, changes) else changes[0].comparison.base
        first = "" if len(report.runs) == 1 else f"{changes[0].comparison.after}, against {against}: "
        said = in_short(changes[0], section.telling())
        if not first:
            # What it is compared with stands where it is read first.
            start, gap, rest = said.partition(" ") if said.startswith(("better", "worse")) else ("", "", "")
            said = f"{start} than {against}{gap}{rest}" if start else f"compared with {against}: {said}"
        return f"{first}{said}." if first else _sentence(said)
    if len(section.entries) > 1:
        return "These runs answered different problems, so no difference between them is taken."
    [curve] = section.curves
    known = [(k, point.estimate) for k, point in zip(section.ks, curve, strict=True) if not math.isnan(point.estimate)]
    if not known:
        return "No problem has a scored rollout."
    (first_k, first_share), (last_k, last_share) = known[0], known[-1]
    said = f"{words.percent(first_share)}% of the problems are solved in {_tries(first_k)}"
    return _sentence(said + (f", {words.percent(last_share)}% within {_tries(last_k)}" if last_k > first_k else ""))


def in_short(change: Contrast, telling: Sequence[int]) -> str:
    """One run's comparison: `better up to 10 tries, worse from 61 tries on (+3.7 points at one try, -4.6 at 64 tries)`.

    Args:
        change: the comparison.
        telling: places in its k whose figures are given.
    """
    comparison = change.comparison
    decided = [stretch for stretch in comparison.stretches if stretch.state in ("gains", "loses")]
    if not comparison.stretches:
        return "too few problems to tell a difference"
    last = comparison.stretches[-1].last_k
    if decided:
        # A band that touches zero here and there gives many stretches: the outer ones say where it begins and ends.
        said = ", ".join(_stretch(stretch, last) for stretch in dict.fromkeys((decided[0], decided[-1])))
    elif all(stretch.state == "equal" for stretch in comparison.stretches):
        said = f"the same up to {_tries(last)}"
    else:
        said = f"no clear difference up to {_tries(last)}"
    places = [i for i in telling if not math.isnan(comparison.points[i].estimate)]
    figures = [
        f"{words.points(comparison.points[i].estimate)}{' points' if i == places[0] else ''} at {_tries(comparison.ks[i])}"
        for i in places
    ]
    return f"{said} ({', '.join(figures)})" if figures else said


def _of_several(section: Breakdown, changes: Sequence[Contrast]) -> str:
    """`At one try all four are better than their own base; at 64 tries psr is worse, …`"""
    own = _with_own_base(section, changes)
    bases = {change.comparison.base for change in changes}
    than = _THEIR_BASE if own else next(iter(bases)) if len(bases) == 1 else "what each is compared with"
    parts: list[tuple[str, str, list[str]]] = []
    for place in section.telling():
        groups: dict[str, list[tuple[str, float]]] = {}
        for change in changes:
            point = change.comparison.points[place]
            if not math.isnan(point.estimate):
                groups.setdefault(words.direction(point), []).append((change.comparison.after, point.estimate))
        told = [sign for sign in _STATES if sign in groups]
        # What they are compared with is said once.
        said = [_group(sign, groups[sign], len(changes), "" if parts or i else than) for i, sign in enumerate(told)]
        if said:
            parts.append((f"at {_tries(section.ks[place])}", _joined(said), told))
    if not parts:
        return "Too few problems to tell a difference."
    if all(told == [""] for _, _, told in parts):
        return _sentence(f"{parts[0][1]} {' or '.join(where for where, _, _ in parts)}")
    return _sentence("; ".join(f"{where} {said}" for where, said, _ in parts))


def _group(sign: str, members: Sequence[tuple[str, float]], among: int, than: str) -> str:
    """`psr and grpo are better than their own base (by up to 4.9 points)`."""
    names, most = [name for name, _ in members], max((difference for _, difference in members), key=abs)
    every = "both" if among == 2 else f"all {_number(among)}"
    one = len(names) == 1
    beside = f" {'than' if sign else 'from'} {than}" if than else ""
    if one:
        beside = beside.replace(_THEIR_BASE, _ITS_BASE)
    if not sign and len(names) == among:
        none = "neither" if among == 2 else f"none of the {_number(among)}"
        return f"{none} is clearly different{beside.replace(_THEIR_BASE, _ITS_BASE)}"
    some = words.listed(names) if len(names) <= _NAMED else f"{_number(len(names))} of {_number(among)}"
    figure = words.points(most) if one else f"by up to {words.percent(abs(most))}"
    return (
        f"{every if len(names) == among else some} {'is' if one else 'are'} {_STATES[sign]}{beside}"
        f"{f' ({figure} points)' if sign else ''}"
    )


def _with_own_base(section: Breakdown, changes: Sequence[Contrast]) -> bool:
    own = {entry.name: entry.own_base for entry in section.entries}
    return all(own[change.comparison.after] == change.comparison.base for change in changes)


def _stretch(stretch: Stretch, last: int) -> str:
    word = "better" if stretch.state == "gains" else "worse"
    if stretch.first_k == stretch.last_k:
        return f"{word} at {_tries(stretch.first_k)}"
    if stretch.first_k == 1:
        return (
            f"{word} at every number of tries up to {last}"
            if stretch.last_k == last
            else f"{word} up to {_tries(stretch.last_k)}"
        )
    if stretch.last_k == last:
        return f"{word} from {_tries(stretch.first_k)} on"
    return f"{word} from {stretch.first_k} to {_tries(stretch.last_k)}"


def _tries(k: int) -> str:
    return "one try" if k == 1 else f"{k} tries"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _joined(parts: Sequence[str]) -> str:
    return words.listed(parts) if len(parts) < 3 else ", ".join(parts)


def _sentence(text: str) -> str:
    # The first letter alone: names keep theirs.
    return text[:1].upper() + text[1:] + "."

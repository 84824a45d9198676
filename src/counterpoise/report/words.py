"""The report's sentences: what differs between runs, and what a curve says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.evaluation.statistics.bands import BandPoint
from counterpoise.report.metrics import FlatLine, Panel
from counterpoise.report.records import Breakdown, Contrast, Report, Run

__all__ = [
    "ConfigurationRow",
    "configuration_table",
    "crossing_words",
    "curve_summary",
    "difference_summary",
    "differing_keys",
    "direction",
    "findings",
    "flat_sentences",
    "listed",
    "panel_summary",
    "percent",
    "points",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRow:
    """A key that is not equal in all runs."""

    key: str
    """Dotted."""
    values: tuple[str, ...]
    """One for each run."""
    bookkeeping: bool
    """Whether it does not change what is trained: threads, checkpoints, diagnostics, trackers."""


_NAMING = ("run.name", "run.directory")
_BOOKKEEPING = ("run.", "checkpoint.", "diagnostics.", "tracking.")
_ENDS = 10
"""Steps in the means that stand for the beginning and the end of a run."""
_UNDEFINED = "–"


def percent(share: float) -> str:
    """`53.4`; a dash where it is undefined."""
    # Adding zero turns a rounded -0.0 into 0.0.
    return _UNDEFINED if math.isnan(share) else f"{round(100 * share, 1) + 0.0:.1f}"


def points(share: float) -> str:
    """`+4.9` percentage points; a dash where it is undefined."""
    return _UNDEFINED if math.isnan(share) else f"{round(100 * share, 1) + 0.0:+.1f}"


def direction(point: BandPoint) -> str:
    """`up` or `down` where the band over all k leaves out zero; empty where it does not, or is undefined."""
    return "up" if point.band_low > 0 else "down" if point.band_high < 0 else ""


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Dotted keys of the configuration that are not equal in all runs, names and directories left out."""
    configs = [run.config for run in runs if run.config]
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key for key in keys if key not in _NAMING and any(config.get(key) != configs[0].get(key) for config in configs)
    ]


def configuration_table(runs: Sequence[Run]) -> tuple[list[str], list[ConfigurationRow]]:
    """Names of the runs that have a configuration, and a row for each key that differs: what was trained first, bookkeeping last."""
    configured = [run for run in runs if run.config]
    rows = [
        ConfigurationRow(
            key=key,
            values=tuple(_value(run.config, key) for run in configured),
            bookkeeping=key.startswith(_BOOKKEEPING) and key != "run.seed",
        )
        for key in differing_keys(runs)
    ]
    return [run.name for run in configured], sorted(rows, key=lambda row: row.bookkeeping)


def findings(report: Report) -> list[tuple[str, list[str]]]:
    """Say how each entry compares with the report's reference: a heading and its sentences for each other entry."""
    if not report.sections:
        return [("", ["No run has a finished evaluation, so there is no pass@k to compare."])]
    section = report.sections[0]
    if not section.against:
        return [("", [curve_summary(section), "There is nothing to compare it with."])]
    said = []
    for difference in section.against[0].differences:
        refused = [] if difference.refused is None else [_sentence(difference.refused)]
        heading = f"{difference.comparison.after} against {difference.comparison.base}"
        said.append((heading, refused + [_sentence(text) for text in difference.comparison.sentences()]))
    return said


def curve_summary(section: Breakdown) -> str:
    """The curves in one text."""
    parts = []
    for entry, curve in zip(section.entries, section.curves, strict=True):
        known = [(k, p) for k, p in zip(section.ks, curve, strict=True) if not math.isnan(p.estimate)]
        if known:
            (k0, p0), (k1, p1) = known[0], known[-1]
            parts.append(
                f"{entry.name} goes from {percent(p0.estimate)}% at k={k0} to {percent(p1.estimate)}% at k={k1}"
            )
    return "; ".join(parts) + "." if parts else "No problem has a scored rollout."


def difference_summary(difference: Contrast) -> str:
    """One comparison in one text."""
    comparison = difference.comparison
    defined = [(k, p) for k, p in zip(comparison.ks, comparison.points, strict=True) if not math.isnan(p.estimate)]
    if not defined:
        return f"{comparison.after} and {comparison.base} have no k in common."
    (k0, p0), (k1, p1) = defined[0], defined[-1]
    ends = f"{comparison.after} minus {comparison.base}: {points(p0.estimate)} points at k={k0}, {points(p1.estimate)} at k={k1}"
    return ends + ("." if difference.refused is None else " (unpaired).")


def crossing_words(difference: Contrast) -> str:
    """Where one drops under the other: `3.4 [1.4, >32]`; a dash without a crossing or for an unpaired comparison."""
    crossing = difference.comparison.crossing
    if crossing is None or crossing.state == "above":
        return _UNDEFINED
    if crossing.state == "under":
        return f"{difference.comparison.lower} lies under throughout"
    low = f"{crossing.low:.1f}" if crossing.low > crossing.first_k else f"≤{crossing.first_k}"
    high = f">{crossing.last_k}" if math.isinf(crossing.high) else f"{crossing.high:.1f}"
    return f"{difference.comparison.lower} from k={crossing.k:.1f} [{low}, {high}]"


def panel_summary(panel: Panel, runs: Sequence[Run]) -> str:
    """How each run's columns went: mean of the first and of the last ten defined values."""
    parts = []
    for run in runs:
        for column, label in panel.columns.items():
            values = [value for value in run.columns.get(column, ()) if value is not None]
            if values:
                first, last = values[:_ENDS], values[-_ENDS:]
                before, after = (math.fsum(part) / len(part) for part in (first, last))
                parts.append(f"{run.name}, {label}: from {before:.4g} to {after:.4g}")
    return f"Means of the first and the last {_ENDS} values. " + "; ".join(parts) + "."


def flat_sentences(constants: Sequence[FlatLine]) -> list[str]:
    """Columns that never move, those of one value everywhere together: `0 at every step: unscored, no answer`."""
    alike: dict[float, list[str]] = {}
    said = []
    for constant in constants:
        name = constant.name
        by_value: dict[float, list[str]] = {}
        for run, value in constant.values.items():
            by_value.setdefault(value, []).append(run)
        if len(by_value) == 1:
            alike.setdefault(next(iter(by_value)), []).append(name)
        else:
            said.append(f"{name}: " + "; ".join(f"{value:.4g} in {listed(runs)}" for value, runs in by_value.items()))
    return [f"{value:.4g} at every step: {', '.join(names)}" for value, names in sorted(alike.items())] + said


def _value(config: Mapping[str, Any], key: str) -> str:
    if key not in config:
        return "not set"
    value = config[key]
    return value if isinstance(value, str) else json.dumps(value, default=str)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."

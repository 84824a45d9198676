"""What trackers get of a run, in the form they take: grouped keys, flat settings, rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from counterpoise.config import RunConfig
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.runs.identity import flat
from counterpoise.text import ends_of, visible

__all__ = ["SAMPLE_COLUMNS", "curve_values", "grouped", "markdown", "run_settings", "sample_rows"]

_GROUPS: Final[Mapping[str, list[str]]] = {
    "outcome": [
        "reward",
        "success",
        "coverage",
        "groups_",
        "distinct",
        "no_answer",
        "unscored",
        "abstained",
        "truncated",
        "repetition",
    ],
    "credit": ["weight_", "polarity", "advantage", "credit", "lambda"],
    "update": ["loss", "gradient", "ratio", "clip", "kl", "update", "learning_rate", "cosine", "log_prob"],
    "policy": ["entropy", "response", "tokens_sampled", "length", "surprisal"],
    "speed": ["tokens_per", "seconds", "time", "peak_memory"],
}
"""Groups of a tracker's page, and what the names of their columns begin with."""

SAMPLE_COLUMNS = ("step", "verdict", "reward", "question", "gold", "answer", "response")
_SHOWN = 600


def grouped(record: Mapping[str, float]) -> dict[str, float]:
    """The finite numbers of a step under `group/name`; a column of no group is `other/name`."""
    return {f"{_group(name)}/{name}": value for name, value in record.items() if math.isfinite(value)}


def curve_values(result: EvaluationResult) -> dict[str, float]:
    """pass@k and the ends of its intervals, as `evaluation/pass@8`, `evaluation/pass@8_low` and `evaluation/pass@8_high`."""
    found = {
        f"evaluation/pass@{point.k}{end}": value
        for point in result.curve
        for end, value in (("", point.estimate), ("_low", point.low), ("_high", point.high))
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def run_settings(config: RunConfig) -> dict[str, Any]:
    """Every setting by its dotted name, as a number, a text or a flag."""
    return {
        key: value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in flat(config).items()
    }


def sample_rows(samples: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Rows of `SAMPLE_COLUMNS` from lines of samples.jsonl."""
    keys = [*SAMPLE_COLUMNS[:-1], "text"]
    return [[sample.get(key) for key in keys] for sample in samples]


def markdown(samples: Sequence[Mapping[str, Any]]) -> str:
    """The same as a Markdown table, each text on one line."""
    lines = [list(SAMPLE_COLUMNS), ["---"] * len(SAMPLE_COLUMNS)]
    lines += [[_cell(value) for value in row] for row in sample_rows(samples)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    text = ends_of(str("" if value is None else value), _SHOWN // 2, _SHOWN // 2)
    return visible(text.replace("\n", " ")).replace("|", "\\|").replace("<", "&lt;")


def _group(name: str) -> str:
    plain = name.rpartition("/")[2]
    return next((group for group, begins in _GROUPS.items() if plain.startswith(tuple(begins))), "other")

"""By which column the best checkpoint of a run is kept, and its value at a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterpoise.columns import find_scored
from counterpoise.errors import ConfigError
from counterpoise.learner.checkpoint import Score
from counterpoise.types import Problem

__all__ = ["score_by", "scored"]


def score_by(name: str | None, train: Sequence[Problem]) -> Score | None:
    """The score named by `checkpoint.best_by`, without a value yet; None keeps no best checkpoint.

    Args:
        name: a column of metrics.jsonl.
        train: the run's training problems, for their task types.

    Raises:
        ConfigError: no checkpoint of this run can be the best by `name`.
    """
    if name is None:
        return None
    try:
        column = find_scored(name, sorted({problem.task_type for problem in train}))
    except ConfigError as error:
        raise ConfigError(f"checkpoint.best_by: {error}") from error
    return Score(name=name, value=math.nan, lower=column.better == "lower")


def scored(score: Score | None, record: Mapping[str, float]) -> Score | None:
    """`score` with its value at a step; NaN where the step has none (no optimiser step was taken, say)."""
    if score is None:
        return None
    value = record.get(score.name)
    return replace(score, value=math.nan if value is None else value)

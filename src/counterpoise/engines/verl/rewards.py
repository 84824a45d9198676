"""Our verifiers as verl's reward function: `reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from counterpoise.engines.verl.record import RECORD, record_of
from counterpoise.errors import DataError
from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge

__all__ = ["compute_score", "worker_judge"]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    verifier: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The verdict on one response: `score` 1 for right and 0 else, `scored` whether anybody could judge, `reason`, and graded parts.

    The field `counterpoise` is the whole verdict, of which our trainer makes the reward that `algorithm.counterpoise.reward` names. A part
    that is called as one of verl's own fields (`score`) is in that alone.

    A time-out or a crash of the verifier is `scored: False`, which our trainer leaves out of baselines and of the loss; an answer that
    alone makes the verifier hang is wrong (`verification.blame`).

    Args:
        data_source: verl's field; the name of the verifier where `verifier` is not given.
        solution_str: the response.
        ground_truth: the gold.
        extra_info: not read.
        verifier: a name of `counterpoise list verifiers`, e.g. `math` (`reward.custom_reward_function.reward_kwargs.verifier`).
        settings: settings of the verifier.

    Raises:
        UnknownNameError: no verifier has that name.
        ConfigError: a setting is unknown or out of range.
        DataError: there is no gold.
    """
    if ground_truth is None:
        raise DataError(f"a problem of {data_source} has no gold: give reward_model.ground_truth in the data set")
    name = data_source if verifier is None else verifier
    judge = worker_judge(name, settings)
    problem = Problem(problem_id="0", task_type=name, question="", gold=str(ground_truth), verifier=name)
    verdict = judge.verify([problem], [solution_str])[0]
    return {
        **{name: float(value) for name, value in verdict.parts.items()},
        "score": float(verdict.correct),
        "acc": float(verdict.correct),
        "scored": bool(verdict.scored),
        "reason": str(verdict.reason or ""),
        RECORD: record_of(verdict),
    }


def worker_judge(name: str, settings: Mapping[str, Any]) -> Judge:
    """The judge of this process for one verifier and its settings.

    Raises:
        UnknownNameError: no verifier has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return _judge(name, json.dumps(dict(settings), sort_keys=True, default=_plain))


@cache
def _judge(name: str, settings: str) -> Judge:
    given = json.loads(settings)
    judge = Judge(settings={name: given} if given else None)
    judge.verifier(name)
    return judge


def _plain(value: Any) -> Any:
    """Tables and lists as verl's configuration holds them."""
    return dict(value) if isinstance(value, Mapping) else list(value)

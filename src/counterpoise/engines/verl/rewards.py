"""Our verifiers as verl's reward function: `reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards`."""

from __future__ import annotations

from functools import cache
from typing import Any

from counterpoise.errors import DataError
from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge

__all__ = ["compute_score"]


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
    judge = _judge(name, tuple(sorted(settings.items())))
    problem = Problem(problem_id="0", task_type=name, question="", gold=str(ground_truth), verifier=name)
    verdict = judge.verify([problem], [solution_str])[0]
    # A row without a part has it as None, so that all rows have the same columns.
    return {
        "score": float(verdict.correct),
        "acc": float(verdict.correct),
        "scored": bool(verdict.scored),
        "reason": str(verdict.reason or ""),
        **{name: float(value) for name, value in verdict.parts.items()},
    }


@cache
def _judge(name: str, settings: tuple[tuple[str, Any], ...]) -> Judge:
    judge = Judge(settings={name: dict(settings)} if settings else None)
    judge.verifier(name)
    return judge

"""Our verifiers as verl's reward function: `reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from counterpoise.build.judge import judge_of
from counterpoise.engines.verl.data import problem_of
from counterpoise.engines.verl.record import RECORD, record_of
from counterpoise.errors import DataError
from counterpoise.runfile import load_config
from counterpoise.types import Problem, Verdict, VerdictValue
from counterpoise.verifiers.judge import Judge

__all__ = [
    "check_reward",
    "compute_score",
    "judged",
    "launched_row",
    "plain_settings",
    "score_of",
    "score_of_run",
    "unscored_score",
]

_LOCK = Lock()
_JUDGES: Final[dict[str, Judge]] = {}


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
    name, chosen = check_reward(data_source, ground_truth, verifier, settings)
    return score_of(name, chosen, str(ground_truth), solution_str)


def check_reward(
    data_source: Any, ground_truth: Any, verifier: Any, settings: Mapping[str, Any]
) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Name and settings of the verifier that judges a row of verl's.

    Raises:
        UnknownNameError: no verifier has that name.
        ConfigError: a setting is unknown or out of range.
        DataError: there is no gold, or no name.
    """
    if ground_truth is None:
        raise DataError(f"a problem of {data_source} has no gold: give reward_model.ground_truth in the data set")
    name = data_source if verifier is None else verifier
    if not isinstance(name, str):
        what = f"data_source={name!r}" if verifier is None else f"verifier={name!r}"
        raise DataError(
            f"{what} is no verifier's name; give reward.custom_reward_function.reward_kwargs.verifier=NAME (counterpoise list verifiers), "
            "or rows whose data_source is one"
        )
    chosen = tuple(sorted(plain_settings(settings).items()))
    _judge(name, chosen, 1)
    return name, chosen


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in plain tables and lists: verl hands over those of its configuration."""
    return {str(key): _plain(value) for key, value in given.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain_settings(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(one) for one in value]
    return value


def score_of(
    name: str, settings: tuple[tuple[str, Any], ...], gold: str, response: str, *, workers: int = 1
) -> dict[str, Any]:
    """What verl's reward function returns for a response, judged by so many killable workers of this process."""
    problem = Problem(problem_id="0", task_type=name, question="", gold=gold, verifier=name)
    return _scored(_judge(name, settings, workers).verify([problem], [response])[0], wrong=0.0)


def unscored_score(reason: str, *, wrong: float = 0.0) -> dict[str, Any]:
    """What verl's reward function returns where nobody could judge."""
    verdict = Verdict(
        value=VerdictValue.UNSCORED, answer=None, basis="none", seconds=0.0, verifier="none", version="0", reason=reason
    )
    return _scored(verdict, wrong=wrong)


def judged(
    data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, *, run: str, wrong: float = 0.0
) -> dict[str, Any]:
    """The same for a run that `counterpoise launch verl` started: its problems, and `[verification]` of its run file.

    Args:
        data_source: verl's field; not read.
        solution_str: the response, without what it begins with (`prompt.response_prefix`).
        ground_truth: not read; the gold is in the problem.
        extra_info: has the problem, as `data.rows_of` wrote it.
        run: the run file.
        wrong: score of what is not right, -1 for verl's own PPO.

    Raises:
        DataError: the row is not of such a run.
    """
    problem, response = launched_row(data_source, solution_str, extra_info)
    return score_of_run(run, problem, response, wrong=wrong)


def launched_row(data_source: str, solution_str: str, extra_info: Any) -> tuple[Problem, str]:
    """The problem of a row that `counterpoise launch verl` wrote, and the response with what it begins with.

    Raises:
        DataError: the row is not of such a run.
    """
    try:
        return problem_of(extra_info), extra_info["prefix"] + solution_str
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a row of {data_source} has no extra_info.problem: it is not of the data that launch wrote"
        ) from error


def score_of_run(run: str, problem: Problem, response: str, *, wrong: float, workers: int = 1) -> dict[str, Any]:
    """What verl's reward function returns for a response, judged as a run file says by so many killable workers of this process."""
    with _LOCK:
        judge = _judge_of_run(run, workers)
    return _scored(judge.verify([problem], [response])[0], wrong=wrong)


def _scored(verdict: Verdict, *, wrong: float) -> dict[str, Any]:
    return {
        **{name: float(value) for name, value in verdict.parts.items()},
        "score": 1.0 if verdict.correct else wrong,
        "acc": float(verdict.correct),
        "scored": bool(verdict.scored),
        "reason": str(verdict.reason or ""),
        RECORD: record_of(verdict),
    }


@cache
def _judge_of_run(run: str, workers: int) -> Judge:
    return judge_of(load_config(Path(run)).verification.model_copy(update={"workers": workers}))


def _judge(name: str, settings: tuple[tuple[str, Any], ...], workers: int) -> Judge:
    asked = f"{name} {workers} {settings!r}"  # a setting may be a list, which is no key
    with _LOCK:  # of threads that ask at the same time one makes it
        judge = _JUDGES.get(asked)
        if judge is None:
            judge = Judge(workers=workers, settings={name: dict(settings)} if settings else None)
            judge.verifier(name)
            _JUDGES[asked] = judge
    return judge

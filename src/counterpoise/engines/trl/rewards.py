"""Our verifiers as TRL's reward functions: 1 for right, 0 for wrong, None for what could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from counterpoise.errors import DataError
from counterpoise.types import Problem, Verdict
from counterpoise.verifiers.judge import Judge

__all__ = ["verdict_reward"]


def verdict_reward(
    verifier: str, *, gold: str = "answer", judge: Judge | None = None, **settings: Any
) -> Callable[..., list[float | None]]:
    """A reward function for `GRPOTrainer`: the verdict of `verifier` on each completion, compared with the column `gold`.

    A time-out or a crash of the verifier is None, which TRL and `SignedGRPOTrainer` leave out of baselines; an answer that alone makes
    the verifier hang is wrong (`verification.blame`).

    Args:
        verifier: a name of `counterpoise list verifiers`, e.g. `math`.
        gold: column of the data set that holds the gold.
        judge: judges; None makes one with a worker of its own.
        settings: settings of the verifier.

    Raises:
        UnknownNameError: no verifier has that name.
        ConfigError: a setting is unknown or out of range.
    """
    judging = Judge(settings={verifier: settings} if settings else None) if judge is None else judge
    judging.verifier(verifier)  # its name is checked now and not after the first generation

    def reward(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        golds = columns.get(gold)
        if golds is None:
            held = ", ".join(sorted(name for name in columns if name not in _OWN))
            raise DataError(
                f"verdict_reward: the data set has no column {gold!r} for the golds; give gold=NAME of one of: {held}"
            )
        problems = [
            Problem(problem_id=str(index), task_type=verifier, question="", gold=str(one), verifier=verifier)
            for index, one in enumerate(golds)
        ]
        return [worth(verdict) for verdict in judging.verify(problems, [text_of(one) for one in completions])]

    reward.__name__ = verifier
    return reward


_OWN = frozenset(
    {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}
)


def worth(verdict: Verdict) -> float | None:
    """1 for right, 0 for wrong, None for unscored."""
    return float(verdict.correct) if verdict.scored else None


def text_of(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of a completion, plain or as messages: of those the last one's content."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    if isinstance(content, str):
        return content
    return "".join(str(piece.get("text", "")) for piece in content or () if isinstance(piece, Mapping))

"""Our verifiers as TRL's reward functions: 1 for right, 0 for wrong, None for what could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from counterpoise.errors import DataError
from counterpoise.golds import gold_text
from counterpoise.types import Problem, Verdict
from counterpoise.verifiers.judge import Judge

__all__ = ["gold_column", "missing_gold", "verdict_reward"]

_COLUMN: Final = "gold_column"


def verdict_reward(
    verifier: str, *, gold: str = "answer", judge: Judge | None = None, **settings: Any
) -> Callable[..., list[float | None]]:
    """A reward function for `GRPOTrainer`: the verdict of `verifier` on each completion, compared with the column `gold`.

    A time-out or a crash of the verifier is None, which TRL and `SignedGRPOTrainer` leave out of baselines; an answer that alone makes
    the verifier hang is wrong (`verification.blame`). A row without a gold (null, an empty text) is None, too. A gold is text, of which
    what follows `####` on the last line counts, a number, or a list of right answers.

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
            raise missing_gold(gold, columns)
        texts = [gold_text(one) for one in golds]
        judged = [place for place, text in enumerate(texts) if text is not None and text.strip()]
        problems = [
            Problem(problem_id=str(place), task_type=verifier, question="", gold=str(texts[place]), verifier=verifier)
            for place in judged
        ]
        found: list[float | None] = [None] * len(texts)
        verdicts = judging.verify(problems, [completion_text(completions[place]) for place in judged])
        for place, verdict in zip(judged, verdicts, strict=True):
            found[place] = worth(verdict)
        return found

    reward.__name__ = verifier
    reward.__dict__[_COLUMN] = gold
    return reward


def gold_column(function: Any) -> str | None:
    """The column that a function of `verdict_reward` reads; None of any other."""
    column = getattr(function, _COLUMN, None)
    return column if isinstance(column, str) else None


def missing_gold(gold: str, columns: Iterable[str]) -> DataError:
    """That none of these columns holds the golds."""
    held = ", ".join(sorted(name for name in columns if name not in _OWN))
    return DataError(
        f"verdict_reward: the data set has no column {gold!r} for the golds; give gold=NAME of one of: {held}"
    )


_OWN = frozenset(
    {"prompt", "prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}
)


def worth(verdict: Verdict) -> float | None:
    """1 for right, 0 for wrong, None for unscored."""
    return float(verdict.correct) if verdict.scored else None


def completion_text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of a completion, plain or as messages: of those the last one's content."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    if isinstance(content, str):
        return content
    return "".join(str(piece.get("text", "")) for piece in content or () if isinstance(piece, Mapping))

"""What belongs in words beside the numbers of an evaluation."""

from __future__ import annotations

import math

from counterpoise.evaluation.statistics.guessing import guess_line
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.text import counted

__all__ = ["result_lines"]

_UNDEFINED = "–"


def result_lines(result: EvaluationResult) -> list[str]:
    """What belongs beside the numbers: rollouts, unscored, truncated, without answer, length, distinct answers, guesses, damaged lines."""
    lines = [
        f"{counted(len(result.counts), 'problem')}, n={result.n}: {counted(result.rollouts, 'rollout')}, "
        f"{_or_dash(result.mean_tokens, '.1f')} tokens on average",
        f"cut off at the token limit {_or_dash(result.truncation_rate, '.1%')}, no answer found {result.no_answer_rate:.1%}, "
        f"{result.distinct_answers:.1f} distinct answers a problem",
    ]
    if result.guess_floor:
        lines.append(guess_line(result.guess_floor))
    if result.unscored:
        causes = ", ".join(f"{reason} ({count})" for reason, count in result.unscored_reasons.items())
        lines.append(f"unscored {result.unscored} of {counted(result.rollouts, 'rollout')}, left out of n: {causes}")
    if result.damaged_lines or result.duplicates:
        lines.append(
            f"store: {counted(result.damaged_lines, 'damaged line')} skipped, {counted(result.duplicates, 'duplicate draw')} not counted"
        )
    return lines


def _or_dash(value: float, form: str) -> str:
    return _UNDEFINED if math.isnan(value) else format(value, form)

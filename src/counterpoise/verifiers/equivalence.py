"""Whether two answers of a policy are the same answer, in the words of the verifier that judges them: what a majority vote groups by."""

from __future__ import annotations

from counterpoise.types import Judgement, Problem, VerdictValue, Verifier
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.judging import Shortcut

__all__ = ["ANSWERS_AS_GOLDS", "equivalent_answers"]

ANSWERS_AS_GOLDS = frozenset({"exact", "math", "numeric", "last_letter"})
"""Verifiers whose gold is an answer like those they judge, so that one answer may stand for the gold of another."""


def equivalent_answers(judge: Judge, problem: Problem, one: str, other: str) -> bool:
    """Whether the problem's verifier takes `other` as right where `one` is the gold.

    Only what it can say at once in this process counts: an isolated verifier is asked for its shortcut alone and never run, so that
    hundreds of comparisons cost milliseconds and none can hang. False where it cannot say, and for verifiers whose gold is not an answer
    (a list of aliases, numbers to combine, tests of a program).
    """
    if problem.verifier not in ANSWERS_AS_GOLDS:
        return False
    judgement = _quick(judge.verifier(problem.verifier), one, other)
    return judgement is not None and judgement.value is VerdictValue.CORRECT


def _quick(verifier: Verifier, gold: str, answer: str) -> Judgement | None:
    if not verifier.isolated:
        return verifier.judge(gold, answer)
    return verifier.shortcut(gold, answer) if isinstance(verifier, Shortcut) else None

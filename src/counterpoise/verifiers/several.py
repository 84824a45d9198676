"""Verifiers that compare with one answer, asked about a list of right answers."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoise.types import Judgement, VerdictValue

__all__ = ["ONE_ANSWER", "any_of"]

ONE_ANSWER = frozenset({"exact", "math", "numeric", "quantity", "choice", "last_letter"})
"""Their names: of a list of golds they are asked about each, and an answer that equals any of them is right."""


def any_of(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement on an answer that was compared with each of several golds: right if any is, else unscored if any is."""
    for value in (VerdictValue.CORRECT, VerdictValue.UNSCORED, VerdictValue.WRONG):
        for judgement in judgements:
            if judgement.value is value:
                return judgement
    return judgements[0]

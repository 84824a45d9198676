"""Worked arithmetic: the verdict is the final number's alone, and beside it stands the share of the steps that are right."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

from counterpoise.lazy import compiled
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.text.extraction import extract, final_text

__all__ = ["StepsVerifier"]

_FINAL: Final = "\n####"
_MAX_STEPS: Final = 64
_MAX_STEP: Final = 64
_SEPARATOR: Final = compiled(r"[;\n]")
_STEP: Final = compiled(r"(-?\d{1,12}) ?([-+*/]) ?(-?\d{1,12}) ?= ?(-?\d{1,12})", re.ASCII)
_ASCII: Final = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_NUMBER: Final = NumericVerifier()


class _Step(NamedTuple):
    left: int
    operator: str
    right: int
    result: int


@settings("verifier steps")
class StepsVerifier:
    """The verdict of `numeric` on the final number; part `steps` is the share of the gold's steps that the response has right.

    Gold: `{"answer": "22", "steps": ["5*3=15", "7+15=22"]}`. A response is steps between semicolons or new lines and a final number in
    any form that `numeric` finds: `5*3=15;7+15=22`, new line, `####22`. With n steps in the gold, m in the response and h in both (in any
    order, each as often as both have it), `steps = h / max(n, m)`: a response that tries many results dilutes its share. Everything
    between two separators that has an equals sign counts as a step; what is not `number operator number = number` is a wrong one. The
    final number never depends on the steps, nor they on it.
    """

    name: ClassVar[str] = "steps"
    version: ClassVar[str] = f"2+numeric{_NUMBER.version}"
    isolated: ClassVar[bool] = False

    def extract(self, response: str) -> Extraction:
        """The steps, joined by semicolons, and the final number below them after `####`; the rule is the final number's.

        Without a final number there is no answer, whatever the steps. At most 65 steps of 64 characters are kept: one more than is read,
        so that a longer response is seen to be one.
        """
        found = extract(response)
        if found.answer is None:
            return found
        pieces = (" ".join(piece[: 4 * _MAX_STEP].split()) for piece in _SEPARATOR.split(final_text(response) or ""))
        steps = [piece[: _MAX_STEP + 1] for piece in pieces if "=" in piece][: _MAX_STEPS + 1]
        return Extraction(answer=f"{';'.join(steps)}{_FINAL}{' '.join(found.answer.split())}", basis=found.basis)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare; a gold that is not of the form above is UNSCORED (rule `gold`)."""
        wanted = _read_gold(gold)
        if wanted is None:
            return Judgement(
                value=VerdictValue.UNSCORED,
                basis="gold",
                reason='unparsable gold: expected a form like {"answer": "22", "steps": ["5*3=15", "7+15=22"]}',
            )
        number, steps = wanted
        work, _, final = answer.rpartition(_FINAL)
        verdict = _NUMBER.judge(number, final)
        if verdict.value is VerdictValue.UNSCORED:
            return verdict
        tried = work.split(";") if work else []
        right = Counter(step for step in map(_step, tried) if step is not None) & Counter(steps)
        share = 0.0 if len(tried) > _MAX_STEPS else right.total() / max(len(steps), len(tried))
        return Judgement(value=verdict.value, basis=verdict.basis, parts=MappingProxyType({"steps": share}))


def _read_gold(gold: str) -> tuple[str, list[_Step]] | None:
    try:
        value = json.loads(gold)
        number, texts = value["answer"], value["steps"]
        steps = [_step(text) for text in texts]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    known = [step for step in steps if step is not None]
    return (number, known) if isinstance(number, str) and known and len(known) == len(steps) else None


def _step(text: str) -> _Step | None:
    match = _STEP.fullmatch(text.translate(_ASCII).strip())
    return _Step(int(match[1]), match[2], int(match[3]), int(match[4])) if match else None

"""Rollouts as plain JSON values for the page's script, which shows a few at a time: cut to a length, and with nothing invisible in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.report.records import ShownRollout, ShownRollouts
from counterpoise.report.samples import KINDS, kinds_of
from counterpoise.text import counted, visible

__all__ = ["kind_counts", "rollout_data"]

_TOKENS = 400
"""Tokens shown of one rollout."""
_CHARACTERS = 4000
"""Characters shown of a text."""


def kind_counts(found: ShownRollouts) -> Mapping[str, int]:
    """How many there are of each kind."""
    kinds = [kind for rollout in found.rollouts for kind in kinds_of(rollout)]
    return {kind: kinds.count(kind) for kind in KINDS}


def rollout_data(found: ShownRollouts) -> list[dict[str, Any]]:
    """The rollouts of one run in their order; a token is [text, probability, credit]."""
    return [_rollout(rollout) for rollout in found.rollouts]


def _rollout(sample: ShownRollout) -> dict[str, Any]:
    tokens = []
    for place, text in enumerate(sample.tokens[:_TOKENS], start=1):
        # An end-of-sequence token has no text, nor has a part of a character.
        seen = visible(text) or ("⟨end⟩" if place == len(sample.tokens) else "·")
        probability = math.exp(min(sample.log_probs[place - 1], 0.0))
        credit = sample.credit[place - 1]
        tokens.append(
            [seen, float(f"{probability:.3g}"), float(f"{credit:.3g}") if math.isfinite(credit) else str(credit)]
        )
    # A gold that only repeats the question (countdown) tells a reader nothing.
    gold = sample.gold if sample.gold != sample.question else None
    return {
        "kinds": list(kinds_of(sample)),
        "verdict": sample.verdict.replace("_", " "),
        "question": _cut(sample.question),
        "problem": visible(sample.problem_id),
        "gold": _cut(gold),
        "solution": _cut(sample.solution),
        "answer": _cut(sample.answer),
        "facts": _facts(sample),
        "text": None if tokens else _cut(sample.text),
        "tokens": tokens,
        "more": max(0, len(sample.tokens) - _TOKENS),
    }


def _facts(sample: ShownRollout) -> list[str]:
    facts = []
    if sample.step is not None:
        facts.append(f"{'evaluated after ' if sample.evaluated else ''}step {sample.step}")
    if sample.mean_log_prob is not None:
        facts.append(f"mean log p {sample.mean_log_prob:.3f}")
    if sample.reward is not None:
        facts.append(f"reward {sample.reward:+.3g}")
    if sample.credit:
        low, high = min(sample.credit), max(sample.credit)
        facts.append(f"credit {high:+.3g}" if low == high else f"credit {low:+.3g} to {high:+.3g}")
    if sample.cut_off:
        facts.append("cut off at the token limit")
    return facts


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    shown = visible(text[:_CHARACTERS])
    return shown if len(text) <= _CHARACTERS else f"{shown} … ({counted(len(text) - _CHARACTERS, 'more character')})"

"""A verdict on its way from verl's reward workers to its trainer: one text among the fields of a reward."""

from __future__ import annotations

import json

from counterpoise.types import Verdict, VerdictValue

__all__ = ["RECORD", "record_of", "verdict_of"]

RECORD = "counterpoise"
"""The field's name: no verifier's part has it."""


def record_of(verdict: Verdict) -> str:
    """The verdict as one text, which verl keeps as it is."""
    return json.dumps(
        {
            "value": str(verdict.value),
            "basis": verdict.basis,
            "verifier": verdict.verifier,
            "version": verdict.version,
            "reason": verdict.reason,
            "parts": dict(verdict.parts),
        }
    )


def verdict_of(text: str) -> Verdict:
    """The verdict back; its answer and its time are left behind."""
    kept = json.loads(text)
    return Verdict(value=VerdictValue(kept.pop("value")), answer=None, seconds=0.0, **kept)

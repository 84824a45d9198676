"""One response a line or row, under whatever names; what `counterpoise export` writes is read as it is."""

from __future__ import annotations

from counterpoise.evaluation.imports.draws import Columns, Format, flat_draws, named_score

__all__ = ["PLAIN"]

PLAIN = Format(
    patterns=("*.jsonl",),
    made_by="any tool",
    columns=Columns(
        prompt=("prompt", "question", "input", "problem"),
        response=("response", "completion", "output", "generation"),
        gold=("gold", "answer", "target", "ground_truth"),
        score=("score", "correct", "reward"),
        id=("problem_id",),
    ),
    sign=lambda fields: True,
    draws=flat_draws,
    scores=named_score,
)
"""`*.jsonl`, or a Parquet file given by name."""

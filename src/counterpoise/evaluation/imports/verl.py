"""verl's dumps: `{step}.jsonl` in `trainer.validation_data_dir` and `trainer.rollout_data_dir`.

A line has `input`, `output`, `gts`, `score`, `step` and what the reward function returned beside its score (`acc`, `pred`, …). Older
versions have no `gts`.
"""

from __future__ import annotations

from counterpoise.evaluation.imports.draws import Columns, Format, flat_draws, named_score

__all__ = ["VERL"]

VERL = Format(
    patterns=("[0-9]*.jsonl",),
    made_by="verl's trainer.validation_data_dir or trainer.rollout_data_dir",
    columns=Columns(prompt=("input",), response=("output",), gold=("gts",), score=("score",)),
    sign=lambda fields: {"input", "output", "score"} <= fields.keys(),
    draws=flat_draws,
    scores=named_score,
)
"""`{step}.jsonl`; the score is `score`."""

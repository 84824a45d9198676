"""TRL's `log_completions`: `OUTPUT/completions/completions_00010.parquet`, one file a step.

Columns (GRPOTrainer, TRL 1.0 to 1.9): `step`, `prompt`, `completion`, one column for each reward function, named like it, whatever the
reward functions logged with `log_extra`, and `advantage`. TRL 0.26 and 0.27 have the same table with the step as text and send it to the
trackers only.
"""

from __future__ import annotations

from counterpoise.evaluation.imports.draws import Columns, Fields, Format, flat_draws

__all__ = ["TRL"]

_KNOWN = {"step", "prompt", "completion", "advantage"}


def _rewards(fields: Fields) -> tuple[str, ...]:
    return tuple(
        name
        for name, value in fields.items()
        if name not in _KNOWN and isinstance(value, (int, float)) and not isinstance(value, bool)
    )


TRL = Format(
    pattern="completions_*.parquet",
    columns=Columns(prompt=("prompt",), response=("completion",), gold=("gold", "solution", "answer", "ground_truth")),
    sign=lambda fields: {"prompt", "completion", "advantage"} <= fields.keys(),
    draws=flat_draws,
    score_of=_rewards,
)
"""`completions_*.parquet`; the score is the only reward column, or the one `--score-column` names."""

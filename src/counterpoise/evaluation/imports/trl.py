"""TRL's `log_completions`: `OUTPUT/completions/completions_00010.parquet`, one file a step.

Columns (GRPOTrainer, TRL 1.0 to 1.9): `step`, `prompt`, `completion`, one column for each reward function, named like it, whatever the
reward functions logged with `log_extra`, and `advantage`. TRL 0.26 and 0.27 have the same table with the step as text and send it to the
trackers only.
"""

from __future__ import annotations

from counterpoise.evaluation.imports.draws import Columns, Fields, Format, flat_draws, named_score

__all__ = ["TRL"]


def _rewards(met: Fields, columns: Columns) -> tuple[str, ...]:
    """The named column, or those that hold numbers. A column of nulls may be a reward that gave none, so it makes another ambiguous."""
    if columns.score:
        return named_score(met, columns)
    used = {"advantage", *columns.prompt, *columns.response, *columns.gold, *columns.id, *columns.step}
    others = {name: value for name, value in met.items() if name not in used}
    numbers = [name for name, value in others.items() if type(value) in (int, float)]
    return tuple(name for name, value in others.items() if value is None or name in numbers) if numbers else ()


TRL = Format(
    patterns=("completions_*.parquet", "completions/completions_*.parquet"),
    made_by="TRL's log_completions=True",
    columns=Columns(prompt=("prompt",), response=("completion",), gold=("gold", "solution", "answer", "ground_truth")),
    sign=lambda fields: {"prompt", "completion", "advantage"} <= fields.keys(),
    draws=flat_draws,
    scores=_rewards,
)
"""`completions_*.parquet`; the score is the only reward column, or the one `--score-column` names."""

"""Rollouts that verl lost, or that nobody could score: a step that is mostly those is refused.

Where a reward function or an agent loop raises, verl logs it, leaves the rollout out and trains on the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.errors import TrainingError
from counterpoise.text import counted

__all__ = ["refuse_lost"]


def refuse_lost(infos: Sequence[Mapping[str, Any]], scored: Sequence[bool], *, expected: int, limit: float) -> int:
    """How many of a step's rollouts are not there.

    Args:
        infos: what the reward function gave for each of the N that are, beside the score.
        scored: (N,) whether it could be scored.
        expected: how many were asked for.
        limit: share of them that may be missing or unscored, in [0, 1].

    Raises:
        TrainingError: more are, or all of them.
    """
    lost = max(0, expected - len(scored))
    reasons = Counter(
        str(info.get("reason") or "no reason given") for info, one in zip(infos, scored, strict=True) if not one
    )
    bad, whole = lost + reasons.total(), max(expected, len(scored))
    if bad and (bad > limit * whole or bad == whole):
        listed = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(3))
        said = [
            f"{lost} lost, since the reward function or the agent loop raised (see 'Error in _run_prompt' above)"
        ] * (lost > 0)
        said += [f"{reasons.total()} unscored ({listed})"] * bool(reasons)
        raise TrainingError(
            f"{bad} of {counted(whole, 'rollout')} cannot be learned from: {', '.join(said)}; nothing was trained on them. Fix the reward "
            f"function, or allow more than algorithm.counterpoise.max_unscored={limit:g}"
        )
    return lost

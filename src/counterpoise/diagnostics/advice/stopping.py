"""The guard that ends a run where a plan sees its problems so often that every measured rule lost pass@k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from counterpoise.diagnostics.advice.intensity import most_seen
from counterpoise.diagnostics.advice.profile import Plan
from counterpoise.diagnostics.advice.result import Choice
from counterpoise.diagnostics.advice.thresholds import Thresholds

__all__ = ["stopping_choices"]

_GUARD: Final = "narrowing"
_BUDGET, _PROBLEMS, _N = 0.03, 128, 32
"""What was measured (docs/log/2026-11-30-a-budget-over-three-seeds.md)."""


def stopping_choices(plan: Plan, t: Thresholds) -> Iterator[Choice]:
    """Settings of guard `narrowing` that finishes, where problems are seen more than `seen_often` times and others are held out.

    A run file that has the guard keeps it as it is.
    """
    most = most_seen(plan)
    if most is None or most.rollouts <= t.seen_often or not plan.held_out or _GUARD in plan.guards:
        return
    yield Choice(
        key="guards.names",
        value=(*plan.guards, _GUARD),
        why=f"{_GUARD} draws held-out problems every 25 steps and sees when pass@8 is lost",
    )
    settings = f"guards.settings.{_GUARD}"
    yield Choice(key=f"{settings}.finish", value=True, why="the run ends there, with the weights it had before")
    yield Choice(key=f"{settings}.drop", value=_BUDGET, why="three points of pass@8 may be lost")
    yield Choice(key=f"{settings}.problems", value=min(_PROBLEMS, plan.held_out), why="as in the runs behind this")
    yield Choice(key=f"{settings}.n", value=_N, why="as in the runs behind this")
    if not plan.guards_act:
        yield Choice(key="guards.act", value=True, why="a guard that only watches ends nothing")

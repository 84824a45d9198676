"""The guard that ends a run where a plan sees its problems so often that every measured rule lost pass@k."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from counterpoise.diagnostics.advice.intensity import most_seen, seen_often
from counterpoise.diagnostics.advice.profile import Budget, Plan
from counterpoise.diagnostics.advice.result import Choice, Finding, Urgency
from counterpoise.diagnostics.advice.thresholds import Thresholds
from counterpoise.text import counted

__all__ = ["GUARD", "budgeted_k", "may_end", "stopping_choices", "stopping_findings"]

GUARD: Final = "narrowing"
"""What ends a run."""
_MEASURED: Final = Budget(drop=0.03, k=8, problems=128, n=32)
"""The budget that was measured (docs/log/2026-11-30-a-budget-over-three-seeds.md)."""
_EVERY: Final = 25
"""Steps between two looks there."""
_BETWEEN: Final = 128
"""Most often that a problem was drawn between two looks there (docs/log/2026-11-30-the-map-over-three-seeds.md, 100 problems)."""


def may_end(plan: Plan) -> bool:
    """Whether the guard can end the run: it has problems to look at, and the run file lets it, or wants guards and says nothing of it."""
    return bool(plan.held_out and plan.guards) and (plan.budget is not None or GUARD not in plan.guards)


def budgeted_k(plan: Plan) -> int:
    """The k of the budget within which the run would stay: that of the run file's own guard, or the measured one's."""
    return _MEASURED.k if plan.budget is None else plan.budget.k


def stopping_choices(plan: Plan, t: Thresholds) -> Iterator[Choice]:
    """Settings of guard `narrowing` that finishes, where problems are seen more than `seen_often` times and others are held out.

    A run file that has the guard keeps it as it is, and so does one that asks for no guard at all.
    """
    if not seen_often(plan, t) or not may_end(plan) or GUARD in plan.guards:
        return
    problems = min(_MEASURED.problems, plan.held_out)
    every, why = _every(plan, problems)
    yield Choice(
        key="guards.names",
        value=(*plan.guards, GUARD),
        why=f"{GUARD} draws held-out problems every {counted(every, 'step')} and sees when pass@{_MEASURED.k} is lost",
    )
    settings = f"guards.settings.{GUARD}"
    yield Choice(key=f"{settings}.finish", value=True, why="the run ends there, with the weights it had before")
    yield Choice(key=f"{settings}.drop", value=_MEASURED.drop, why=f"three points of pass@{_MEASURED.k} may be lost")
    yield Choice(key=f"{settings}.problems", value=problems, why="as in the runs behind this")
    yield Choice(key=f"{settings}.n", value=_MEASURED.n, why="as in the runs behind this")
    if every < _EVERY:
        yield Choice(key=f"{settings}.every", value=every, why=why)
    if not plan.guards_act:
        yield Choice(key="guards.act", value=True, why="a guard that only watches ends nothing")


def stopping_findings(plan: Plan, t: Thresholds) -> Iterator[Finding]:
    """Where problems are seen often, what the guard would do in a run without it or that it may not end; and a budget of another size."""
    if plan.budget is not None and plan.held_out:
        if (seen_often(plan, t) or plan.leashed) and not _as_measured(plan.budget):
            yield Finding(
                level=Urgency.NOTE,
                text=f"Guard {GUARD} of the run file ends the run when {plan.budget} are lost; what is said here of ending it was measured "
                f"with {_MEASURED}.",
            )
        return
    if not seen_often(plan, t):
        return
    if GUARD in plan.guards and not plan.held_out:
        yield Finding(
            level=Urgency.WARNING,
            text=f"Guard {GUARD} of the run file draws test problems, and the task has none: the run is refused as it is.",
        )
        return
    if GUARD in plan.guards:
        ending = (
            f"Guard {GUARD} is in guards.names, and ends nothing as it is set; with guards.settings.{GUARD}.finish=true and "
            "guards.act=true it ends such a run"
        )
    elif not plan.held_out:
        ending = f"Guard {GUARD}, which needs test problems, and the task has none, would end such a run"
    elif not plan.guards:
        ending = f"The run file wants no guards (guards.names=[]), and gets none; {GUARD} with finish=true would end such a run"
    else:
        ending = f"Guard {GUARD} with finish=true, recommended here, ends such a run"
    lost = f"once pass@{_MEASURED.k} of held-out problems has lost more than it may, with the weights it had before"
    yield Finding(level=Urgency.NOTE, text=f"{ending} {lost}.")


def _as_measured(budget: Budget) -> bool:
    """Whether it lets as much go of the same pass@k, and looks at half as many responses or more."""
    alike = (budget.drop, budget.k) == (_MEASURED.drop, _MEASURED.k)
    return alike and 2 * budget.problems * budget.n >= _MEASURED.problems * _MEASURED.n


def _every(plan: Plan, problems: int) -> tuple[int, str]:
    """Steps between two looks, and why fewer than the default: what is lost between two of them, no budget holds."""
    most = most_seen(plan)
    seldom = math.ceil(max(1, len(plan.problems)) * problems * _MEASURED.n / (plan.prompts_per_step * plan.group_size))
    often = _EVERY if most is None else int(_BETWEEN / most.each_step)
    why = f"no problem is drawn more than {_BETWEEN} times between two looks, as in the runs behind this"
    if often < seldom:
        why = "as often as it draws no more than training does; problems are drawn often between two looks"
    return min(_EVERY, max(often, seldom)), why

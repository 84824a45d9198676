"""The guard that ends a run where a plan sees its problems so often that every measured rule lost pass@k."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
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
_BETWEEN: Final = 128
"""Most often that a problem was drawn between two looks there (docs/log/2026-11-30-the-map-over-three-seeds.md, 100 problems)."""


def may_end(plan: Plan) -> bool:
    """Whether the guard can end the run: it has problems to look at, the run is long enough for the looks that it takes, and the run file
    lets it, or wants guards and says nothing of it.
    """
    if not (plan.held_out and plan.guards):
        return False
    budget = plan.budget if GUARD in plan.guards else _recommended(plan)[0]
    return budget is not None and budget.may_end(plan.steps)


def budgeted_k(plan: Plan) -> int:
    """The k of the budget within which the run would stay: that of the run file's own guard, or the measured one's."""
    return _MEASURED.k if plan.budget is None else plan.budget.k


def stopping_choices(plan: Plan, t: Thresholds) -> Iterator[Choice]:
    """Settings of guard `narrowing` that finishes, where problems are seen more than `seen_often` times and others are held out.

    A run file that has the guard keeps it as it is, and so does one that asks for no guard at all.
    """
    if not seen_often(plan, t) or not may_end(plan) or GUARD in plan.guards:
        return
    budget, why = _recommended(plan)
    every = budget.every
    yield Choice(
        key="guards.names",
        value=(*plan.guards, GUARD),
        why=f"{GUARD} draws held-out problems every {counted(every, 'step')} and sees when pass@{_MEASURED.k} is lost",
    )
    settings = f"guards.settings.{GUARD}"
    yield Choice(key=f"{settings}.finish", value=True, why="the run ends there, with the weights it had before")
    yield Choice(key=f"{settings}.drop", value=_MEASURED.drop, why=f"three points of pass@{_MEASURED.k} may be lost")
    yield Choice(key=f"{settings}.problems", value=budget.problems, why="as in the runs behind this")
    yield Choice(key=f"{settings}.n", value=_MEASURED.n, why="as in the runs behind this")
    if every < _MEASURED.every:
        yield Choice(key=f"{settings}.every", value=every, why=why)
    if not plan.guards_act:
        yield Choice(key="guards.act", value=True, why="a guard that only watches ends nothing")


def stopping_findings(plan: Plan, t: Thresholds) -> Iterator[Finding]:
    """Where problems are seen often, what the guard would do in a run without it or that it may not end; and a budget of another size."""
    if plan.budget is not None and plan.held_out:
        often = seen_often(plan, t) or plan.leashed
        if often and not plan.budget.may_end(plan.steps):
            yield Finding(
                level=Urgency.WARNING,
                text=f"Guard {GUARD} of the run file cannot end this run: it looks {counted(plan.budget.looks(plan.steps), 'time')} in "
                f"{counted(plan.steps, 'step')}, and ends a run at look {plan.budget.patience + 1} at the soonest; take more steps, or a "
                f"smaller guards.settings.{GUARD}.every (now {plan.budget.every}) or .patience ({plan.budget.patience}).",
            )
        elif often and not _as_measured(plan.budget):
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
    lost = f"pass@{_MEASURED.k} of held-out problems has lost more than it may"
    if GUARD in plan.guards:
        lost = "its pass@k of held-out problems has lost more than its drop"
        ending = (
            f"Guard {GUARD} is in guards.names, and ends nothing as it is set; with guards.settings.{GUARD}.finish=true and "
            "guards.act=true it ends such a run"
        )
    elif not plan.held_out:
        ending = f"Guard {GUARD}, which needs test problems, and the task has none, would end such a run"
    elif not plan.guards:
        ending = f"The run file wants no guards (guards.names=[]), and gets none; {GUARD} with finish=true would end such a run"
    elif not may_end(plan):
        longer = counted(_MEASURED.patience * _recommended(plan)[0].every, "step")
        ending = f"Too short for guard {GUARD}: with more than {longer}, and so enough looks, finish=true would end such a run"
    else:
        ending = f"Guard {GUARD} with finish=true, recommended here, ends such a run"
    yield Finding(level=Urgency.NOTE, text=f"{ending} once {lost}, with the weights it had before.")


def _as_measured(budget: Budget) -> bool:
    """Whether it lets as much go of the same pass@k, and looks at half as many responses or more."""
    alike = (budget.drop, budget.k) == (_MEASURED.drop, _MEASURED.k)
    return alike and 2 * budget.problems * budget.n >= _MEASURED.problems * _MEASURED.n


def _recommended(plan: Plan) -> tuple[Budget, str]:
    """The measured budget as this plan can have it, and why it looks more often, if so: what is lost between two looks, no budget holds."""
    problems, most = min(_MEASURED.problems, plan.held_out), most_seen(plan)
    seldom = math.ceil(max(1, len(plan.problems)) * problems * _MEASURED.n / (plan.prompts_per_step * plan.group_size))
    often = _MEASURED.every if most is None else int(_BETWEEN / most.each_step)
    why = f"no problem is drawn more than {_BETWEEN} times between two looks, as in the runs behind this"
    if often < seldom:
        why = "as often as it draws no more than training does; problems are drawn often between two looks"
    return replace(_MEASURED, problems=problems, every=min(_MEASURED.every, max(often, seldom))), why

"""Intensity, rollouts drawn of each training problem: what a plan asks for, what the runs behind the advice did at it, where to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from counterpoise.diagnostics.advice.profile import Plan
from counterpoise.diagnostics.advice.result import Finding, Urgency
from counterpoise.diagnostics.advice.thresholds import Thresholds
from counterpoise.text import counted

__all__ = ["MEASURED", "Intensity", "LabRuns", "intensities", "intensity_findings", "most_seen", "seen_often"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRuns:
    """What runs on the lab's strong base did after so many rollouts of each training problem."""

    rollouts: float
    """Of each problem."""
    seeds: int
    """Training seeds behind the numbers."""
    source: str
    """File in docs/log/."""
    pass_1: Mapping[str, float]
    """Points of pass@1 of test problems less the base's, by rule."""
    pass_8: Mapping[str, float] = field(default_factory=dict)
    """The same of pass@8; empty where it was not kept."""


_MANY_PROBLEMS = "2026-11-27-what-keeps-pass-at-k.md"
_FEW_PROBLEMS = "2026-11-29-few-problems-over-seeds.md"

MEASURED = (
    LabRuns(
        rollouts=3.4,
        seeds=3,
        source=_MANY_PROBLEMS,
        pass_1={"nsr": 3.8, "maxrl": 3.2, "psr": 4.8},
        pass_8={"nsr": -3.2, "maxrl": -0.5, "psr": -3.5},
    ),
    LabRuns(
        rollouts=128,
        seeds=3,
        source=_FEW_PROBLEMS,
        pass_1={"nsr": 2.1, "weighted_reinforce(0.1)": 2.1, "grpo": 2.3, "maxrl": 1.5, "area": 1.7, "psr": 2.1},
        pass_8={"nsr": -1.5, "weighted_reinforce(0.1)": -1.4, "grpo": -1.9, "maxrl": -1.5, "area": -1.7, "psr": -2.3},
    ),
    LabRuns(
        rollouts=256,
        seeds=3,
        source=_FEW_PROBLEMS,
        pass_1={"nsr": 2.4, "weighted_reinforce(0.1)": 2.5, "grpo": 2.2, "maxrl": 1.5, "area": 1.9, "psr": 1.7},
        pass_8={"nsr": -4.0, "weighted_reinforce(0.1)": -3.6, "grpo": -5.0, "maxrl": -4.0, "area": -4.4, "psr": -5.8},
    ),
    LabRuns(
        rollouts=384,
        seeds=3,
        source=_FEW_PROBLEMS,
        pass_1={"nsr": 1.9, "weighted_reinforce(0.1)": 1.6, "grpo": 1.7, "maxrl": 0.9, "area": 1.0, "psr": 0.7},
        pass_8={"nsr": -6.5, "weighted_reinforce(0.1)": -6.4, "grpo": -7.4, "maxrl": -6.8, "area": -7.1, "psr": -8.9},
    ),
    LabRuns(
        rollouts=512,
        seeds=3,
        source=_FEW_PROBLEMS,
        pass_1={"nsr": 1.5, "weighted_reinforce(0.1)": 1.3, "grpo": 1.1, "maxrl": 0.5, "area": 0.8, "psr": 0.3},
        pass_8={"nsr": -8.4, "weighted_reinforce(0.1)": -8.5, "grpo": -10.0, "maxrl": -9.1, "area": -9.2, "psr": -10.6},
    ),
)
"""By rising intensity. A run that is added changes what is said; what decides stays in `Thresholds`."""


_LONG: Final = (
    "Many steps cost pass@k without it: 200 of them on 2,000 problems, 51 times each, took -2.8 [-4.6, -1.0] of area under pass@k with nsr "
    "and not beyond its interval with area and maxrl (strong base, three seeds)."
)
_WHICH_RULE = Finding(
    level=Urgency.NOTE,
    text="Which rule, for few problems seen often, without leash or budget (lab, strong base, 200 problems, five seeds, area under pass@k "
    "after 512 times): weighted_reinforce(0.1) -0.3 [-0.9, 0.3] and maxrl -0.7 [-1.7, 0.3] are indistinguishable from nsr; area -1.1 "
    "[-2.0, -0.2], grpo -1.4 [-2.1, -0.7], psr -2.1 [-3.0, -1.2] and reinforce -2.8 [-3.8, -1.7] lie below it. At equal training success "
    "no area differs beyond its interval: part of this is pace. Stopping earlier gives more than any rule; so did one update a batch "
    "instead of four (learner.minibatch=none), +3.3 [1.8, 4.9] with nsr, +3.9 [2.5, 5.3] with area and +4.2 [2.8, 5.7] with psr (three "
    "seeds), by going slower.",
)
_MANY_WAYS = Finding(
    level=Urgency.NOTE,
    text="Where a task has many ways to an answer and some problems want a rare one (lab:paths, 9 times each, three seeds), area keeps the "
    "curve: its area under pass@k is +15.8 [12.6, 19.0] above nsr's and +1.3 [-3.1, 5.8] from maxrl's, at a pass@1 of -1.5 [-3.9, 0.9] "
    "and -0.4 [-0.7, -0.1] from theirs; psr is last. Run again with other last digits it is +17.6 [11.8, 23.5] above nsr's. The lead comes "
    "after success has stopped rising: at a success of 0.65 it is +2.3 [0.5, 4.1]. One bed of 0.8 million parameters.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """How often a plan draws the problems of one task type."""

    task_type: str
    """Its name; empty where all problems are drawn alike."""
    problems: int
    """Training problems."""
    each_step: float
    """Rollouts of each of them in one step, on average."""
    rollouts: float
    """And in the whole plan."""


def intensities(plan: Plan) -> tuple[Intensity, ...]:
    """`rollouts = steps * prompts_per_step * group_size * share / problems`, for each task type where there are weights.

    Without weights every problem is drawn equally often, and there is one for all; none where the plan does not know its problems.
    """
    weights = plan.weights or {"": 1.0}
    problems = plan.problems if plan.weights else {"": sum(plan.problems.values())}
    drawn = plan.prompts_per_step * plan.group_size / sum(weights.values())
    return tuple(
        Intensity(
            task_type=name,
            problems=problems[name],
            each_step=drawn * weight / problems[name],
            rollouts=plan.steps * drawn * weight / problems[name],
        )
        for name, weight in weights.items()
        if problems.get(name)
    )


def most_seen(plan: Plan) -> Intensity | None:
    """Of the task type whose problems are drawn most often; None where the plan does not know its problems."""
    return max(intensities(plan), key=lambda one: one.rollouts, default=None)


def seen_often(plan: Plan, t: Thresholds) -> bool:
    """Whether the problems seen most often are seen more than `t.seen_often` times; not where the plan does not know them."""
    most = most_seen(plan)
    return most is not None and most.rollouts > t.seen_often


def intensity_findings(plan: Plan, t: Thresholds) -> Iterator[Finding]:
    """About the problems seen most often: between which measured runs that lies, where those began to lose, and which rule pays."""
    most = most_seen(plan)
    if most is None:
        return
    of = f" of the task type {most.task_type}" if most.task_type else ""
    head = (
        f"Your {counted(most.problems, 'training problem')}{of} will each be seen {_times(most.rollouts)} "
        f"({counted(plan.steps, 'step')} of {plan.prompts_per_step} x {plan.group_size}"
        f"{', by tasks.weights' if most.task_type else ''})"
    )
    if most.rollouts > t.overdone:
        yield Finding(level=Urgency.WARNING, text=f"{head}: {_overdone(plan, most, t)}")
        yield _WHICH_RULE
    elif most.rollouts > t.seen_often:
        yield Finding(
            level=Urgency.NOTE,
            text=f"{head}, often: {_where(t.overdone)} pass@1 was at its best at {_times(t.overdone)} at the latest, but the area under "
            f"pass@k was below the base's with every rule by then, and with none beyond its interval at {_times(t.seen_often)}. Watch "
            "both with evaluation.every.",
        )
        yield _WHICH_RULE
    else:
        low, *_, high = (seen for seen in MEASURED if seen.rollouts <= t.seen_often)
        yield Finding(
            level=Urgency.NOTE,
            text=f"{head}; in the runs behind the choice of a rule it was {_times(low.rollouts)}, and at {_times(high.rollouts)} no rule "
            f"had begun to lose pass@1 ({_seeds(high)}). {_LONG}",
        )
        yield _MANY_WAYS


def _overdone(plan: Plan, most: Intensity, t: Thresholds) -> str:
    last = max(MEASURED, key=lambda seen: seen.rollouts)
    least = max(last.pass_8, key=last.pass_8.__getitem__)
    worst = min(last.pass_8, key=last.pass_8.__getitem__)
    stop = max(1, int(t.overdone / most.each_step))
    return (
        f"{_where(t.overdone)} pass@1 of test problems was at its best after {_times(t.overdone)} at the latest and fell with every rule "
        f"from there; after {last.rollouts:g} none was above its base beyond its interval, and pass@8 was {-last.pass_8[least]:g} "
        f"({least}) to {-last.pass_8[worst]:g} points ({worst}) below it. Stop near step {stop:,} ({_passes(plan, most, stop)}), near step "
        f"{max(1, int(t.seen_often / most.each_step)):,} where pass@k counts (areas were 0.5 to 0.8 below the base's there, which the draw "
        f"of problems does not tell from nothing), or take more problems; evaluation.every={max(1, stop // 2)} shows whether yours begin "
        "to lose earlier. The guard `narrowing` with finish=true finds the step by itself, from held-out problems: with a budget of three "
        "points of pass@8 `area` ended 4.0 [2.6, 5.3] of area above nsr, the best rule that trained on (512 times, three seeds)."
    )


def _where(rollouts: float) -> str:
    seen = next((one for one in MEASURED if one.rollouts >= rollouts), MEASURED[-1])
    return f"in the lab (strong base, 200 problems, 3e-5, {_seeds(seen)})"


def _seeds(seen: LabRuns) -> str:
    return "one seed" if seen.seeds == 1 else f"{seen.seeds} seeds"


def _times(rollouts: float) -> str:
    number = f"{rollouts:,.0f}" if rollouts >= 10 else f"{rollouts:.2g}"
    return f"{number} time" if number == "1" else f"{number} times"


def _passes(plan: Plan, most: Intensity, steps: int) -> str:
    passes = steps * most.each_step / plan.group_size
    return f"{counted(round(passes), 'pass', 'passes')} over them" if passes >= 1 else "before one pass over them"

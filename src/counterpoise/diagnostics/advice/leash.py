"""A leash to the base within a budget of pass@k: a KL beside the guard that ends a run, and the rule that was measured under both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from counterpoise.diagnostics.advice.intensity import seen_often
from counterpoise.diagnostics.advice.profile import Plan
from counterpoise.diagnostics.advice.result import Choice, Finding, Urgency
from counterpoise.diagnostics.advice.stopping import may_end
from counterpoise.diagnostics.advice.thresholds import Thresholds

__all__ = ["LEASH", "LEASHED", "ON_LEASH", "fits_leash", "kl_findings", "leash_choices"]

LEASHED: Final = "area"
"""The rule that was measured on the leash and within the budget (docs/log/2026-11-30-a-leash-within-a-budget.md)."""
LEASH: Final[Mapping[str, tuple[float | str, str]]] = {
    "loss.kl": (0.1, "a leash to the base: wrong answers go, right ones keep the base's proportions"),
    "loss.kl_estimator": ("k1", "its gradient is that of KL(policy || base)"),
    "credit.filter": ("none", "rows without credit are held to the base, too"),
}
"""Its settings, and why."""
ON_LEASH: Final = Finding(
    level=Urgency.NOTE,
    text=f"On the leash and under guard narrowing that finishes, {LEASHED} (lab, three bases, fourteen cells, three seeds) has 6.1 "
    "[4.4, 7.8] more area under pass@k than maxrl, 0.3 [-0.3, 1.0] more pass@1 than it and 0.7 [0.4, 1.0] less than psr; of six "
    "rules with neither none has more area in any cell, and the most that one has more at pass@1 is 2.3 [1.9, 2.7]. The rule "
    "on it decides little: on 200 problems of the three bases maxrl has 0.7 [0.1, 1.3] more area and 0.3 [0.2, 0.4] less "
    "pass@1, and grpo is not told apart; where problems are seen seldom it exchanges more: on all of the strong base grpo has "
    "1.5 [1.3, 1.7] more pass@1 and 1.7 [1.3, 2.1] less area. There the leash's pass@1 is pace: at twice the rate it has 1.4 "
    "[0.2, 2.5] more for 0.1 [0.0, 0.2] of area and is not told apart from the best rule at either; on the weak base and "
    "lab:paths that gains nothing. It is 1.9 [1.0, 2.8] of area above area with the guard alone (ten cells), by "
    "those of lab:paths, which has many ways to an answer (+4.3 [3.7, 4.9]); on the strong base the leash adds nothing (-0.2 "
    "[-1.1, 0.8]), and loss.kl=0 leaves it away (for maxrl within the budget, from which area within it is not told apart). It "
    "reads the base once more for every response, and holds a second copy of the weights unless adapters are trained. Where "
    "training still gains much it is slower: on lengths of lab:graded pass@1 is 3.7 [1.2, 6.2] below psr's after 60 steps. On a "
    "language model area learned on it as fast as without, psr and grpo kept more of the curve at equal training success, and nsr "
    "was 18.5 [10.3, 26.8] of area behind psr on it (SmolLM2-135M, 40 steps, three seeds, no guard).",
)
"""What the leash within a budget was worth."""


def fits_leash(plan: Plan, t: Thresholds) -> bool:
    """Whether `LEASHED` on a leash within a budget is for this plan: guard `narrowing` can end it, and it sees its problems often.

    A plan that has all three already keeps them, however often it sees its problems and however short it is; one with another KL, or that
    wants none, keeps that and is none.
    """
    if plan.rule == LEASHED and plan.leashed and plan.budget is not None and plan.held_out:
        return True
    return may_end(plan) and (plan.kl is None or plan.leashed) and seen_often(plan, t)


def leash_choices(plan: Plan) -> Iterator[Choice]:
    """The settings of the leash that the run file does not have."""
    for key, (value, why) in LEASH.items() if not plan.leashed else ():
        yield Choice(key=key, value=value, why=why)


_BY_PROBLEM = " Those held all prompts alike; the run file weighs its KL by problem (loss.kl_focus, loss.kl_evidence)."


def kl_findings(plan: Plan) -> Iterator[Finding]:
    """Where the run file has a KL: that what is said of rules rests on runs without one, and what was run with one."""
    if plan.kl:
        yield Finding(
            level=Urgency.NOTE,
            text=f"The run file has loss.kl={plan.kl:g}, and what is said here of rules, and of how often problems may be seen, comes from "
            "runs without a KL to the base. With loss.kl=0.1 loss.kl_estimator=k1 credit.filter=none nsr kept the whole curve of lab:paths "
            "on 200 problems seen 512 times (three seeds), and on 200 of the weak base stayed at its pass@1 and lost 3.0 [1.1, 4.9] "
            "of area (three seeds), and area under guard narrowing was above every rule without a KL on the mean."
            + (_BY_PROBLEM if plan.kl_by_problem else ""),
        )

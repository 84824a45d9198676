"""The sentences of advice about each rule, by regime. They are those of docs/advise.md, which names the runs behind them."""

from __future__ import annotations

from collections.abc import Iterator

from counterpoise.diagnostics.advice.leash import LEASHED
from counterpoise.diagnostics.advice.profile import Plan, Profile, RuleShare
from counterpoise.diagnostics.advice.result import Regime, RuleVerdict, Status
from counterpoise.diagnostics.advice.settings import rate_is_high
from counterpoise.diagnostics.advice.thresholds import Thresholds
from counterpoise.diagnostics.reading import chance

__all__ = ["BALANCED", "SHARE", "balanced_rule", "judge_rules", "learns"]

SHARE = "share"
"""How a rule under `credit.controller=share` is called here; the recommended one is `BALANCED`."""

BALANCED = "maxrl"
"""The rule that is recommended: half of its credit pushes up in every group, and hard groups count more."""

_RECOMMENDED = {
    BALANCED: "raises pass@1 and keeps most of pass@k, on both bases that were measured",
    LEASHED: "on a leash to the base, within a budget of it: more area under pass@k than six rules with neither, on three bases",
}
_WEAK = {
    "psr": "raised pass@1 by 6.0 points (3.3 to 8.7 over three seeds and problems) and lost 19.7 of pass@128 (10.9 to 28.5)",
    "grpo": "raised pass@1 by 4.6 points (2.3 to 6.8 over three seeds and problems) in 200 steps and lost 11.3 of area (7.1 to 15.4); "
    "maxrl 3.9 and 5.3 there",
    "area": "raised pass@1 by 4.1 points (2.3 to 5.9 over three seeds and problems) in 200 steps and lost 6.0 of area (2.4 to 9.7); maxrl "
    "3.9 and 5.3 there",
    "maxrl": "raised pass@1 by 4.5 points (2.7 to 6.3 over three seeds and problems) and lost 8.3 of pass@128 (0.4 to 16.3)",
}
_STRONG = {
    "psr": "1.6 points more pass@1 than maxrl (0.6 to 2.6 over three seeds and problems), for 3.0 of pass@8 (1.7 to 4.3)",
    "nsr": "as PSR with 1.0 points less pass@1 (0.4 to 1.6 over three seeds and problems); indistinguishable from it at larger k",
    "weighted_reinforce(0.1)": "indistinguishable from NSR in the lab (two seeds); best overall in the paper",
    "grpo": "as PSR, in one run",
    "reinforce": "as GRPO and PSR",
    "area": "without a leash 0.35 less area than maxrl (0.01 to 0.69 over three seeds, 100 to 2,000 problems), 0.25 more pass@1 (0.06 to "
    "0.45)",
    "maxrl": "without a leash 0.35 more area than area (0.01 to 0.69 over three seeds, 100 to 2,000 problems), 0.25 less pass@1 (0.06 to "
    "0.45)",
}


def learns(regime: Regime) -> bool:
    """Whether any rule has something to learn from there."""
    return regime not in (Regime.UNREADABLE, Regime.NOTHING_RIGHT, Regime.SATURATED)


def balanced_rule(regime: Regime, *, differ: bool, leashed: bool) -> str | None:
    """The rule that is recommended, if any learns.

    Args:
        regime: where the policy stands.
        differ: task types stand in different places.
        leashed: the plan is one for a leash within a budget (`leash.fits_leash`).
    """
    if not learns(regime):
        return None
    if differ:
        return SHARE
    return LEASHED if leashed else BALANCED


def judge_rules(
    profile: Profile, plan: Plan, regime: Regime, recommended: str | None, t: Thresholds
) -> tuple[RuleVerdict, ...]:
    """A verdict on `share` and on every rule of the profile."""

    def verdicts() -> Iterator[RuleVerdict]:
        if recommended == SHARE:
            yield RuleVerdict(
                rule=SHARE,
                status=Status.RECOMMENDED,
                why=f"{BALANCED} with the positive share held at {t.share_rho:g} for each task type by itself",
            )
        else:
            yield RuleVerdict(rule=SHARE, status=Status.POSSIBLE, why=_share_elsewhere(regime))
        for rule in profile.rules:
            if rule.rule == recommended:
                yield RuleVerdict(rule=rule.rule, status=Status.RECOMMENDED, why=_RECOMMENDED[rule.rule])
            else:
                status, why = _verdict(rule, plan, regime, t)
                yield RuleVerdict(rule=rule.rule, status=status, why=why)

    return tuple(verdicts())


def _share_elsewhere(regime: Regime) -> str:
    if regime is Regime.NOTHING_RIGHT:
        return "makes no update while nothing is right"
    if regime in (Regime.UNREADABLE, Regime.SATURATED):
        return "nothing to weigh yet"
    return f"for several task types; with one it does what {BALANCED} does"


def _verdict(rule: RuleShare, plan: Plan, regime: Regime, t: Thresholds) -> tuple[Status, str]:
    rho = rule.polarity_share
    if regime is Regime.UNREADABLE:
        return Status.POSSIBLE, "too early to say"
    if regime is Regime.SATURATED:
        return Status.POSSIBLE, "next to nothing to learn"
    if regime is Regime.NOTHING_RIGHT:
        if rule.trained:
            return Status.AGAINST, "all of its credit pushes down"
        return Status.POSSIBLE, "makes no update while nothing is right"
    mostly_negative = rho < t.low_share
    if regime is Regime.WEAK:
        if rho < t.collapsing_share:
            share = f"only {chance(rho)}" if rho else "none"
            return Status.AGAINST, f"{share} of its credit pushes up; such rules gain little or nothing on a weak base"
        return Status.POSSIBLE, _WEAK.get(rule.rule, f"{chance(rho)} of its credit pushes up; not run here")
    rollouts = plan.prompts_per_step * plan.group_size
    if mostly_negative and rollouts < t.small_batch and rate_is_high(plan, t):
        return Status.AGAINST, f"mostly negative, with {rollouts} rollouts a step and a high learning rate"
    if mostly_negative and rollouts < t.small_batch and not plan.guards_act:
        return Status.AGAINST, f"mostly negative, with {rollouts} rollouts a step and no guards that act"
    said = _STRONG.get(rule.rule, "gains here as all rules do") if regime is Regime.STRONG else "no run lies here"
    if mostly_negative and plan.steps > t.long_run and not plan.guards_act:
        said += "; set guards.act=true for so long a run"
    return Status.POSSIBLE, said

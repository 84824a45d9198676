"""From measurements to advice: a pure function of a profile, a plan and the thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from counterpoise.diagnostics.advice.findings import measurement_findings, plan_findings, ranged
from counterpoise.diagnostics.advice.intensity import intensity_findings, seen_often
from counterpoise.diagnostics.advice.leash import LEASHED, ON_LEASH, fits_leash, kl_findings, leash_choices
from counterpoise.diagnostics.advice.profile import Plan, Profile
from counterpoise.diagnostics.advice.result import Advice, Choice, Finding, Regime, RuleVerdict, Status, Urgency
from counterpoise.diagnostics.advice.rules import BALANCED, SHARE, balanced_rule, judge_rules, learns
from counterpoise.diagnostics.advice.settings import fitting_group_size, fitting_rate, matching_lambda, replaced_credit
from counterpoise.diagnostics.advice.stopping import budgeted_k, stopping_choices, stopping_findings
from counterpoise.diagnostics.advice.thresholds import THRESHOLDS, Thresholds
from counterpoise.diagnostics.reading import chance
from counterpoise.text import counted

__all__ = ["advise", "regime_of"]

_ORDER = (Urgency.FIX, Urgency.WARNING, Urgency.NOTE)


def regime_of(profile: Profile, thresholds: Thresholds = THRESHOLDS) -> Regime:
    """Where the policy stands: what must be fixed first, then the pass rate p and the coverage C at `reference_k`.

    With C = pass@8: nothing right at p = 0; saturated at p >= 0.95; weak at p <= 0.15 or C <= 0.6; strong at p >= 0.3 and C >= 0.8; else
    middle (docs/advise.md has the evidence for these numbers).
    """
    t = thresholds
    broken = (
        profile.unscored > t.unscored_stop
        or profile.no_answer > t.no_answer_stop
        or profile.truncated > t.truncated_stop
    )
    if broken or not profile.problems:
        return Regime.UNREADABLE
    return _by_success(profile.pass_rate.value, profile.pass_at_k(t.reference_k), t)


def _by_success(pass_rate: float, coverage: float, t: Thresholds) -> Regime:
    if pass_rate <= 0.0:
        return Regime.NOTHING_RIGHT
    if pass_rate >= t.saturated_pass_rate:
        return Regime.SATURATED
    if pass_rate <= t.weak_pass_rate or coverage <= t.weak_coverage:
        return Regime.WEAK
    if pass_rate >= t.strong_pass_rate and coverage >= t.strong_coverage:
        return Regime.STRONG
    return Regime.MIDDLE


def advise(
    profile: Profile, plan: Plan, *, kinds: Sequence[Profile] = (), thresholds: Thresholds = THRESHOLDS
) -> Advice:
    """Rule, controller and settings for a policy on a task, with the reasons.

    Args:
        profile: over all problems.
        plan: what the run file says.
        kinds: one profile for each task type, where there is more than one; kinds that stand in different places want the controller that
            weighs each by itself.
        thresholds: the numbers that decide.
    """
    t, regime = thresholds, regime_of(profile, thresholds)
    places = {kind.name: regime_of(kind, t) for kind in kinds if kind.problems >= t.few_of_a_kind}
    grown = _grown(profile, plan, t) if learns(regime) else plan
    rule = balanced_rule(regime, differ=len(set(places.values())) > 1, leashed=fits_leash(grown, t))
    rules = judge_rules(profile, plan, regime, rule, t)
    findings = [
        *measurement_findings(profile, plan, t),
        *plan_findings(profile, plan, t),
        *intensity_findings(grown, t),
        *(stopping_findings(grown, t) if rule is not None else ()),
        *((ON_LEASH,) if rule == LEASHED else ()),
        *(kl_findings(plan) if rule not in (None, LEASHED) else ()),
        *_own_rule(plan, rules),
        *(_kept(plan, rule) if rule is not None else ()),
        *_certainty(profile, regime, t),
        *_of_regime(profile, regime, t),
        *_of_kinds(kinds, places),
    ]
    return Advice(
        regime=regime,
        headline=_headline(profile, regime, rule, grown, t),
        rule=rule,
        choices=tuple(_choices(profile, plan, grown, rule, t)),
        rules=rules,
        findings=tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.level))),
    )


def _headline(profile: Profile, regime: Regime, rule: str | None, plan: Plan, t: Thresholds) -> str:
    right, unsolved = chance(profile.pass_rate.value), chance(1.0 - profile.coverage.value)
    stands = (
        f"{right} of the rollouts are right, and {unsolved} of your prompts have no success in {profile.group_size}"
    )
    balanced = f"credit.rule={BALANCED}"
    if rule == SHARE:
        balanced += f" with credit.controller=share and rho={t.share_rho:g}"
    elif rule == LEASHED:
        balanced = f"credit.rule={LEASHED} on a leash to the base and within a budget of pass@{budgeted_k(plan)}"
    if regime is Regime.UNREADABLE:
        return (
            "Too many rollouts are unscored, cut off or without an answer for advice on a rule: fix what is listed first, then "
            "measure again."
        )
    if regime is Regime.NOTHING_RIGHT:
        return (
            f"None of {counted(profile.rollouts, 'rollout')} is right: no rule learns here, and rules that push down unlearn the "
            "language. Take easier prompts, or supervised examples first."
        )
    if regime is Regime.SATURATED:
        return f"{right} of the rollouts are right: there is next to nothing to learn. Take harder prompts."
    if regime is Regime.WEAK:
        return f"{stands}: NSR-like rules do not learn here and may collapse. Use {balanced}, or easier prompts."
    if rule == SHARE:
        return f"{stands}, but task types differ: use {balanced}, which weighs each type by itself."
    if regime is Regime.MIDDLE:
        return f"{stands}: between the bases that were measured. Use {balanced}, which held at both ends."
    return (
        f"{stands}: all rules raise pass@1 here, and most take it from pass@k. Use {balanced}, which keeps "
        f"{'more of the curve than others, and stop in time' if seen_often(plan, t) else 'the curve'}. Where "
        "pass@1 alone counts, sample colder first: in the lab temperature 0.2 in the place of 1 gave 11.4 points of it (8.2 to 14.7 over "
        "problems) without training; then PSR or GRPO."
    )


def _choices(profile: Profile, plan: Plan, grown: Plan, rule: str | None, t: Thresholds) -> Iterator[Choice]:
    if rule is not None:
        yield _rule_choice(rule)
        if rule == SHARE:
            yield Choice(key="credit.controller", value="share", why="each task type is weighed by itself")
            yield Choice(key="credit.controller_settings.rho", value=t.share_rho, why="half of the credit pushes up")
        elif plan.controller != "constant":
            yield Choice(key="credit.controller", value="constant", why="weights that do not move")
    rate = fitting_rate(plan.parameters, t)
    if not plan.adapters and not 1 / t.rate_factor <= plan.learning_rate / rate <= t.rate_factor:
        yield Choice(key="learner.learning_rate", value=rate, why=f"for {plan.parameters:,} parameters")
    if grown.group_size != plan.group_size:
        seen = f"{chance(profile.pass_at_k(grown.group_size))} of the prompts see a success in {grown.group_size}"
        alone = "a rule that compares a rollout with its group needs others in it"
        yield Choice(key="rollout.group_size", value=grown.group_size, why=alone if profile.group_size == 1 else seen)
    if profile.truncated > t.truncated:
        yield Choice(
            key="rollout.max_tokens",
            value=2 * plan.max_tokens,
            why=f"{chance(profile.truncated)} were cut off at {plan.max_tokens}",
        )
    if rule == LEASHED:
        yield from leash_choices(plan)
    if rule is not None:
        yield from stopping_choices(grown, t)


def _rule_choice(rule: str) -> Choice:
    if rule == LEASHED:
        why = "a group counts for what its successes say about the area under pass@k"
        return Choice(key="credit.rule", value=LEASHED, why=why)
    return Choice(key="credit.rule", value=BALANCED, why="half of the credit pushes up, and hard prompts count more")


def _grown(profile: Profile, plan: Plan, t: Thresholds) -> Plan:
    """The plan with the group size that is recommended."""
    size = fitting_group_size(profile, t)
    return plan if size is None else replace(plan, group_size=size)


def _own_rule(plan: Plan, rules: Sequence[RuleVerdict]) -> Iterator[Finding]:
    own = next((verdict for verdict in rules if verdict.rule == plan.rule), None)
    if own is not None and own.status is Status.AGAINST:
        yield Finding(level=Urgency.WARNING, text=f"The run file says {own.rule}, which is advised against: {own.why}.")


def _kept(plan: Plan, rule: str) -> Iterator[Finding]:
    """What the run file says of the credit that stays with the recommended rule, and none of the runs behind the advice had."""
    constant = plan.controller == "constant"
    gone = replaced_credit(
        rule=plan.credit_rule != (LEASHED if rule == LEASHED else BALANCED),
        controller=rule == SHARE or not constant,
        constant=constant,
    )
    beside = [f"credit.{key}={value}" for key, value in plan.beside.items() if key not in gone]
    if beside:
        yield Finding(
            level=Urgency.NOTE,
            text=f"{', '.join(beside)} of the run file {'stay' if len(beside) > 1 else 'stays'} beside {rule}, and what is said of it here "
            "comes from runs without.",
        )
    if "reward" in plan.beside and "reward" not in gone and rule in (LEASHED, BALANCED):
        yield Finding(
            level=Urgency.NOTE,
            text=f"{rule} reads right and wrong alone: credit.reward={plan.beside['reward']} is reported beside it and trains nothing.",
        )


def _certainty(profile: Profile, regime: Regime, t: Thresholds) -> Iterator[Finding]:
    """Whether the ends of the intervals would have led elsewhere."""
    if regime in (Regime.UNREADABLE, Regime.SATURATED):
        return
    reference = next((one.share for one in profile.pass_at if one.k == t.reference_k), profile.coverage)
    ends = {
        _by_success(profile.pass_rate.low, reference.low, t),
        _by_success(profile.pass_rate.high, reference.high, t),
    }
    others = sorted(end.value.replace("_", " ") for end in ends - {regime})
    if others and not math.isnan(profile.pass_rate.low + reference.low):
        yield Finding(
            level=Urgency.NOTE,
            text=f"Not certain: with a pass rate of {ranged(profile.pass_rate)} and a coverage at {t.reference_k} of "
            f"{ranged(reference)} this could also be {' or '.join(others)}. More --problems would tell.",
        )


def _of_regime(profile: Profile, regime: Regime, t: Thresholds) -> Iterator[Finding]:
    if regime in (Regime.WEAK, Regime.MIDDLE):
        fixed = matching_lambda(profile.pass_rate.value, t.share_rho)
        yield Finding(
            level=Urgency.NOTE,
            text="A fixed weight with the same positive share today is credit.rule=weighted_reinforce "
            f"credit.settings.lambda={fixed:.2g}; its share rises as the policy improves.",
        )
    if regime is Regime.WEAK:
        yield Finding(
            level=Urgency.NOTE,
            text="What raises pass@1 on such a base costs pass@k at large k: in the lab pass@128 fell from 95.0% by 19.7 points "
            "under PSR (10.9 to 28.5 over three seeds and problems) and by 8.3 under maxrl (0.4 to 16.3). "
            "Watch both with evaluation.every.",
        )


def _of_kinds(kinds: Sequence[Profile], places: dict[str, Regime]) -> Iterator[Finding]:
    for kind in kinds if len(set(places.values())) > 1 else ():
        if kind.name in places:
            yield Finding(
                level=Urgency.NOTE,
                text=f"{kind.name}: {places[kind.name].value.replace('_', ' ')}, pass rate {ranged(kind.pass_rate)}, coverage "
                f"{ranged(kind.coverage)} ({counted(kind.problems, 'problem')}).",
            )

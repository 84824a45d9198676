"""What the measurements say beside the choice of a rule: what is broken, what is uncertain, what the run file would run into."""

from __future__ import annotations

from collections.abc import Iterator

from counterpoise.diagnostics.advice.profile import Plan, Profile
from counterpoise.diagnostics.advice.result import Finding, Urgency
from counterpoise.diagnostics.advice.settings import fitting_rate, rate_is_high
from counterpoise.diagnostics.advice.thresholds import Thresholds
from counterpoise.diagnostics.explanation import Measured
from counterpoise.diagnostics.reading import chance
from counterpoise.text import counted

__all__ = ["measurement_findings", "plan_findings", "ranged"]


def ranged(share: Measured) -> str:
    """`37% [26%, 50%]`."""
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def measurement_findings(profile: Profile, plan: Plan, t: Thresholds) -> Iterator[Finding]:
    """Unscored, truncated and missing answers, graded parts, and how few problems there are."""
    if profile.unscored > t.unscored:
        yield Finding(
            level=Urgency.FIX if profile.unscored > t.unscored_stop else Urgency.WARNING,
            text=f"{chance(profile.unscored)} of the rollouts could not be scored. They carry no credit, and what is left may be the "
            "easy part: check golds and verifier with `counterpoise tasks selfcheck`, or raise verification.timeout.",
        )
    if profile.no_answer > t.no_answer:
        yield _no_answer(profile, t)
    if profile.truncated > t.truncated:
        yield Finding(
            level=Urgency.FIX if profile.truncated > t.truncated_stop else Urgency.WARNING,
            text=f"{chance(profile.truncated)} of the rollouts were cut off at rollout.max_tokens={plan.max_tokens}, and one that had no "
            f"answer yet counts as {plan.truncated_is}. Allow more tokens"
            + (
                ", or withhold the verdict with verification.truncated=unscored."
                if plan.truncated_is == "wrong"
                else "."
            ),
        )
    yield from _parts(profile, t)
    if 0 < profile.problems < t.few_problems:
        yield Finding(
            level=Urgency.WARNING,
            text=f"Only {counted(profile.problems, 'problem was', 'problems were')} measured: the coverage is "
            f"{ranged(profile.coverage)}. Raise --problems "
            f"to {t.few_problems} or more before a long run.",
        )


def _parts(profile: Profile, t: Thresholds) -> Iterator[Finding]:
    graded = [part for part in profile.parts if part.varied > t.varied_part]
    if graded:
        listed = ", ".join(
            f"{part.name} ({part.low:.2g} to {part.high:.2g}, differs in {chance(part.varied)})" for part in graded
        )
        yield Finding(
            level=Urgency.NOTE,
            text="The verifier grades more than right and wrong, and in many groups without a success, where the verdict says nothing, "
            f"the grades differ: {listed}. A graded reward can use that: credit.rule=hinge credit.reward=graded "
            f"credit.reward_settings.part={graded[0].name}. In the lab, with one seed, that "
            "gave 2.8 points of the area under pass@k back where negatives dominate (lambda 0.1; 0.1 to 5.4 over problems alone), "
            "and nothing that could be measured at lambda 1.",
        )


def _no_answer(profile: Profile, t: Thresholds) -> Finding:
    cut = profile.no_answer_cut > 0.5
    return Finding(
        level=Urgency.FIX if profile.no_answer > t.no_answer_stop else Urgency.WARNING,
        text=f"{chance(profile.no_answer)} of the scored rollouts hold no answer, "
        + (
            f"and {chance(profile.no_answer_cut)} of those were cut off: raise rollout.max_tokens first."
            if cut
            else "and most of those ended by themselves, so this is a matter of format: fix the prompt first (prompt.template, or the "
            "question's wording), or warm up with supervised examples."
        )
        + " Negatives would train on the missing form instead of the task.",
    )


def plan_findings(profile: Profile, plan: Plan, t: Thresholds) -> Iterator[Finding]:
    """Learning rate and batch of the run file."""
    wanted, rollouts = fitting_rate(plan.parameters, t), plan.prompts_per_step * plan.group_size
    if plan.adapters:
        yield Finding(
            level=Urgency.NOTE,
            text="Adapters are trained, for which no rate was measured here; learner.learning_rate is left as it is.",
        )
    elif rate_is_high(plan, t):
        yield Finding(
            level=Urgency.WARNING,
            text=f"learner.learning_rate={plan.learning_rate:g} is {plan.learning_rate / wanted:.0f} times what runs of a model with "
            f"{plan.parameters:,} parameters used ({wanted:g}); at ten times NSR with small batches declined.",
        )
    if rollouts < t.small_batch:
        yield Finding(
            level=Urgency.WARNING,
            text=f"A step has {counted(rollouts, 'rollout')} ({plan.prompts_per_step} x {plan.group_size}), fewer "
            f"than {t.small_batch}. Rules "
            "that mostly push down decline with small batches: more rollout.prompts_per_step, or guards.act=true.",
        )
    if profile.problems and profile.coverage.value < t.wanted_coverage and profile.pass_rate.value > 0:
        known = ", ".join(
            f"{chance(one.share.value)} in {one.k}{' (extrapolated)' if one.extrapolated else ''}"
            for one in profile.pass_at
            if profile.group_size <= one.k <= t.largest_group
        )
        yield Finding(
            level=Urgency.NOTE,
            text=f"A group sees a success for this share of the prompts: {known}. Easier prompts do more than larger groups.",
        )

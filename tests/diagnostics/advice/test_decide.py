"""Advice on synthetic measurements: every regime, every warning, and what must hold whatever was measured."""

import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import RULES
from counterpoise.credit.controllers import CONTROLLERS
from counterpoise.diagnostics.advice.decide import advise, regime_of
from counterpoise.diagnostics.advice.profile import Budget, PartRange, PassAt, Profile, RuleShare
from counterpoise.diagnostics.advice.result import Regime, Status, Urgency
from counterpoise.diagnostics.advice.settings import fitting_group_size, fitting_rate, matching_lambda
from counterpoise.diagnostics.advice.thresholds import THRESHOLDS, Thresholds
from counterpoise.diagnostics.explanation import Measured
from counterpoise.runfile import parse_config

MEASURED = Budget(drop=0.03, k=8, problems=128, n=32)

SHARES = st.floats(min_value=0.0, max_value=1.0)


def about(value, width=0.02):
    return Measured(value=value, low=max(0.0, value - width), high=min(1.0, value + width))


def rules(p, mixed):
    """What seven rules make of responses of equal length, right with probability p."""
    weighted = 0.1 * p / (0.1 * p + 1 - p) if p < 1 else 1.0
    return (
        RuleShare(rule="nsr", polarity_share=0.0 if p < 1 else math.nan, trained=1 - p, thrown_away=p),
        RuleShare(rule="weighted_reinforce(0.1)", polarity_share=weighted, trained=1.0, thrown_away=0.0),
        RuleShare(rule="reinforce", polarity_share=p, trained=1.0, thrown_away=0.0),
        RuleShare(rule="grpo", polarity_share=0.5 if mixed else math.nan, trained=mixed, thrown_away=1 - mixed),
        RuleShare(rule="maxrl", polarity_share=0.5 if mixed else math.nan, trained=mixed, thrown_away=1 - mixed),
        RuleShare(rule="area", polarity_share=0.3 + 0.7 * p, trained=1.0, thrown_away=0.0),
        RuleShare(rule="psr", polarity_share=1.0 if p else math.nan, trained=p, thrown_away=1 - p),
    )


def measured(p=0.07, coverage=0.38, **changes):
    profile = Profile(
        name="all",
        problems=64,
        group_size=8,
        rollouts=512,
        pass_rate=about(p),
        coverage=about(coverage),
        pass_at=(
            PassAt(k=1, share=about(p), extrapolated=False),
            PassAt(k=8, share=about(coverage), extrapolated=False),
            PassAt(k=16, share=about(min(1.0, 1.5 * coverage)), extrapolated=True),
            PassAt(k=32, share=about(min(1.0, 2 * coverage)), extrapolated=True),
        ),
        all_right=0.0,
        all_wrong=1 - coverage,
        mixed=coverage,
        truncated=0.0,
        no_answer=0.0,
        no_answer_cut=math.nan,
        unscored=0.0,
        response_tokens=9.0,
        entropy=0.5,
        surprisal_right=0.4,
        surprisal_wrong=0.6,
        rules=rules(p, coverage),
    )
    return replace(profile, **changes)


def statuses(advice):
    return {verdict.rule: verdict.status for verdict in advice.rules}


def texts(advice, level):
    return [finding.text for finding in advice.findings if finding.level is level]


@pytest.mark.parametrize(
    ("p", "coverage", "regime", "rule"),
    [
        (0.0, 0.0, Regime.NOTHING_RIGHT, None),
        (0.07, 0.38, Regime.WEAK, "maxrl"),
        (0.5, 0.55, Regime.WEAK, "maxrl"),  # half of the problems always, the others never
        (0.12, 0.7, Regime.WEAK, "maxrl"),
        (0.2, 0.7, Regime.MIDDLE, "maxrl"),
        (0.25, 0.9, Regime.MIDDLE, "maxrl"),
        (0.49, 0.9, Regime.STRONG, "maxrl"),
        (0.97, 1.0, Regime.SATURATED, None),
    ],
)
def test_the_regime_and_its_rule(p, coverage, regime, rule, lab):
    advice = advise(measured(p, coverage), lab)
    assert (advice.regime, advice.rule) == (regime, rule)


def test_a_weak_base_is_told_why_and_what_to_write(lab):
    advice = advise(measured(0.07, 0.36), lab)
    assert advice.headline == (
        "7.0% of the rollouts are right, and 64.0% of your prompts have no success in 8: NSR-like rules do not learn here and may "
        "collapse. Use credit.rule=maxrl, or easier prompts."
    )
    assert {choice.key: choice.value for choice in advice.choices} == {"credit.rule": "maxrl"}
    said = statuses(advice)
    assert said["nsr"] is said["weighted_reinforce(0.1)"] is Status.AGAINST
    assert said["psr"] is said["grpo"] is Status.POSSIBLE
    # lambda = 0.5 / 0.5 * 0.93 / 0.07 = 13.3
    assert any("credit.settings.lambda=13" in text for text in texts(advice, Urgency.NOTE))


def test_a_larger_lambda_is_not_advised_against_on_a_weak_base(lab):
    shares = (
        *rules(0.07, 0.38),
        RuleShare(rule="weighted_reinforce(6)", polarity_share=0.31, trained=1, thrown_away=0),
    )
    plan = replace(lab, rule="weighted_reinforce(6)")
    advice = advise(measured(rules=shares), plan)
    assert statuses(advice)["weighted_reinforce(6)"] is Status.POSSIBLE
    assert not texts(advice, Urgency.WARNING)


def test_the_rule_of_the_run_file_is_judged(lab):
    advice = advise(measured(), replace(lab, rule="nsr"))
    assert texts(advice, Urgency.WARNING) == [
        "The run file says nsr, which is advised against: none of its credit pushes up; such rules gain little or nothing on a weak base."
    ]
    assert not texts(advise(measured(), replace(lab, rule="share")), Urgency.WARNING)


def test_nothing_right_says_that_rules_which_push_down_unlearn(lab):
    advice = advise(measured(0.0, 0.0), lab)
    assert "None of 512 rollouts is right: no rule learns here" in advice.headline
    said = statuses(advice)
    assert said["nsr"] is said["reinforce"] is Status.AGAINST
    assert said["psr"] is said["share"] is Status.POSSIBLE  # make no update
    assert not advice.choices


def test_all_right_asks_for_harder_prompts(lab):
    advice = advise(measured(1.0, 1.0), lab)
    assert "next to nothing to learn. Take harder prompts." in advice.headline


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"truncated": 0.8}, "80.0% of the rollouts were cut off at rollout.max_tokens=20"),
        ({"unscored": 0.3}, "30.0% of the rollouts could not be scored."),
        ({"no_answer": 0.6, "no_answer_cut": 0.9}, "60.0% of the scored rollouts hold no answer, and 90.0% of those were cut off: raise"),
        ({"no_answer": 0.6, "no_answer_cut": 0.1}, "so this is a matter of format: fix the prompt first"),
    ],
)  # fmt: skip
def test_what_must_be_mended_first(changes, says, lab):
    advice = advise(measured(0.49, 0.9, **changes), lab)
    assert (advice.regime, advice.rule) == (Regime.UNREADABLE, None)
    assert advice.findings[0].level is Urgency.FIX
    assert says in advice.findings[0].text


def test_nothing_scored_at_all(lab):
    nothing = Measured(value=math.nan, low=math.nan, high=math.nan)
    unscored = {"problems": 0, "pass_rate": nothing, "coverage": nothing, "unscored": 1.0, "no_answer": math.nan}
    advice = advise(replace(measured(), pass_at=(), **unscored), lab)
    assert (advice.regime, advice.rule) == (Regime.UNREADABLE, None)


def test_little_of_it_is_a_warning(lab):
    advice = advise(measured(0.49, 0.9, unscored=0.02, no_answer=0.2, no_answer_cut=0.0, truncated=0.2), lab)
    assert advice.rule == "maxrl"
    assert len(texts(advice, Urgency.WARNING)) == 3
    assert {choice.key: choice.value for choice in advice.choices}["rollout.max_tokens"] == 40


def test_few_problems_say_their_interval(lab):
    few = replace(measured(0.49, 0.9), problems=8, coverage=Measured(value=0.875, low=0.47, high=0.997))
    assert texts(advise(few, lab), Urgency.WARNING) == [
        "Only 8 problems were measured: the coverage is 88% [47%, 100%]. Raise --problems to 32 or more before a long run."
    ]


def test_an_interval_that_crosses_a_line_is_said(lab):
    profile = measured(0.32, 0.82)
    assert not any("Not certain" in text for text in texts(advise(measured(0.49, 0.9), lab), Urgency.NOTE))
    (text,) = [
        text
        for text in texts(advise(replace(profile, pass_rate=about(0.32, 0.05)), lab), Urgency.NOTE)
        if "Not" in text
    ]
    assert "could also be middle" in text


def test_a_larger_group_where_too_few_groups_see_a_success(lab):
    advice = advise(measured(0.02, 0.16), lab)  # 24% in 16, 32% in 32
    assert {choice.key: choice.value for choice in advice.choices}["rollout.group_size"] == 32
    assert any("16.0% in 8, 24.0% in 16 (extrapolated)" in text for text in texts(advice, Urgency.NOTE))
    assert fitting_group_size(measured(0.02, 0.1), THRESHOLDS) is None  # easier prompts, then
    assert fitting_group_size(measured(), THRESHOLDS) == 8


def test_groups_of_one_become_groups(lab):
    advice = advise(measured(0.49, 0.49, group_size=1, pass_at=()), replace(lab, group_size=1, rule="nsr"))
    assert {choice.key: choice.value for choice in advice.choices} == {"credit.rule": "maxrl", "rollout.group_size": 8}


def test_the_rate_falls_and_mostly_negative_rules_are_advised_against_for_a_small_batch_at_a_high_rate(lab):
    plan = replace(lab, prompts_per_step=16, learning_rate=3e-4, controller="share", rule="nsr")
    advice = advise(measured(0.49, 0.9), plan)
    chosen = {choice.key: choice.value for choice in advice.choices}
    assert chosen["learner.learning_rate"] == 3e-5
    assert chosen["credit.controller"] == "constant"
    assert statuses(advice)["nsr"] is Status.AGAINST
    assert (
        statuses(advise(measured(0.49, 0.9), replace(plan, learning_rate=3e-5, guards_act=True)))["nsr"]
        is Status.POSSIBLE
    )
    assert [text.partition(" ")[0] for text in texts(advice, Urgency.WARNING)] == [
        "learner.learning_rate=0.0003",
        "A",
        "The",
    ]


def test_a_rate_is_left_alone_under_adapters(lab):
    advice = advise(measured(0.49, 0.9), replace(lab, adapters=True, learning_rate=1.0))
    assert "learner.learning_rate" not in {choice.key for choice in advice.choices}


def test_a_graded_part_that_tells_wrong_responses_apart_is_named(lab):
    part = PartRange(name="tests_passed", low=0.0, high=1.0, mean=0.4, mean_wrong=0.3, varied=0.5)
    flat = PartRange(name="flat", low=0.0, high=0.0, mean=0.0, mean_wrong=0.0, varied=0.0)
    notes = texts(advise(measured(parts=(flat, part)), lab), Urgency.NOTE)
    assert any("tests_passed (0 to 1, differs in 50.0%). A graded reward" in text for text in notes)


def test_task_types_in_different_places_want_the_controller_that_weighs_each(lab):
    kinds = [measured(0.5, 0.95, name="easy"), measured(0.02, 0.2, name="hard")]
    advice = advise(measured(0.49, 0.9), lab, kinds=kinds)
    assert advice.rule == "share"
    assert "task types differ: use credit.rule=maxrl with credit.controller=share and rho=0.5" in advice.headline
    assert {choice.key: choice.value for choice in advice.choices} == {
        "credit.rule": "maxrl",
        "credit.controller": "share",
        "credit.controller_settings.rho": 0.5,
    }
    assert any(text.startswith("hard: weak, pass rate 2%") for text in texts(advice, Urgency.NOTE))
    few = [kinds[0], replace(kinds[1], problems=3)]
    assert advise(measured(0.49, 0.9), lab, kinds=few).rule == "maxrl"


@pytest.fixture
def often(lab):
    """300 problems that are seen 341 times each."""
    return replace(lab, steps=200, problems={"countdown": 300}, held_out=90, guards=("success", "entropy"))


def test_few_problems_seen_often_get_a_leash_within_a_budget(often):
    advice = advise(measured(), often)
    chosen = {choice.key: choice.value for choice in advice.choices}
    narrowing = "guards.settings.narrowing"
    assert chosen == {
        "credit.rule": "area",
        "credit.filter": "none",
        "loss.kl": 0.1,
        "loss.kl_estimator": "k1",
        "guards.names": ("success", "entropy", "narrowing"),
        f"{narrowing}.finish": True,
        f"{narrowing}.drop": 0.03,
        f"{narrowing}.problems": 90,
        f"{narrowing}.n": 32,
        "guards.act": True,
    }

    assert (advice.rule, statuses(advice)["area"], statuses(advice)["maxrl"]) == (
        "area",
        Status.RECOMMENDED,
        Status.POSSIBLE,
    )
    assert "credit.rule=area on a leash to the base and within a budget of pass@8" in advice.headline


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 50},  # 85 times
        {"held_out": 0},  # the guard has nothing to look at
        {"guards": ("narrowing",)},  # the run file's own, which ends nothing
        {"guards": ()},  # and so does a run file that wants no guard
    ],
)
def test_elsewhere_it_is_not_advised(changes, often):
    advice = advise(measured(), replace(often, **changes))
    assert {choice.key: choice.value for choice in advice.choices} == {"credit.rule": "maxrl"}
    assert not [one.text for one in advice.findings if one.text.startswith("On the leash")]


def test_a_run_file_with_a_budget_keeps_it_and_gets_the_leash(often):
    plan = replace(often, guards=("narrowing",), budget=MEASURED)
    chosen = {choice.key: choice.value for choice in advise(measured(), plan).choices}
    assert chosen == {"credit.rule": "area", "credit.filter": "none", "loss.kl": 0.1, "loss.kl_estimator": "k1"}


def test_the_headline_names_the_k_of_the_run_files_own_budget(often):
    plan = replace(often, guards=("narrowing",), budget=replace(MEASURED, k=16))
    assert "within a budget of pass@16" in advise(measured(), plan).headline


@pytest.mark.parametrize(
    ("own", "beside", "named"),
    [
        ("nsr", {}, None),
        (
            "nsr",
            {"emphasis": '"focal"', "settings": "{ gamma = 2 }", "controller_settings": "{ x = 1 }"},
            None,  # what belongs to a rule goes with it
        ),
        ("nsr", {"all_wrong_cap": "0.3"}, "credit.all_wrong_cap=0.3 of the run file stays beside area"),
        (
            "area",
            {"emphasis": '"focal"', "all_wrong_cap": "0.3"},
            'credit.emphasis="focal", credit.all_wrong_cap=0.3 of the run file stay beside area',
        ),
    ],
)
def test_what_stays_beside_the_rule_and_was_never_measured_is_named(own, beside, named, often):
    texts = [one.text for one in advise(measured(), replace(often, rule=own, credit_rule=own, beside=beside)).findings]
    told = [text for text in texts if "of the run file stay" in text]
    assert told == [text for text in texts if named is not None and text.startswith(named)]
    assert bool(told) is (named is not None)


def test_a_reward_that_the_rule_does_not_read_is_said_to_train_nothing(often):
    plan = replace(often, rule="nsr", credit_rule="nsr", beside={"reward": '"graded"'})
    advice = advise(measured(), plan)
    told = [one.text for one in advice.findings if "trains nothing" in one.text]
    assert told == [
        f'{advice.rule} reads right and wrong alone: credit.reward="graded" is reported beside it and trains nothing.'
    ]


@pytest.mark.parametrize("controller", ["constant", "share", "linear"])
def test_the_weights_of_the_signs_do_not_stay_under_share(controller, lab):
    plan = replace(lab, credit_rule="maxrl", controller=controller, beside={"controller_settings": "{ x = 1 }"})
    kinds = [measured(0.5, 0.95, name="easy"), measured(0.02, 0.2, name="hard")]
    advice = advise(measured(0.49, 0.9), plan, kinds=kinds)
    assert advice.rule == "share"
    assert not [one.text for one in advice.findings if "of the run file stay" in one.text]


@pytest.mark.parametrize(
    ("budget", "looks"),
    [
        (replace(MEASURED, every=500), "1 time"),
        (replace(MEASURED, every=150), "2 times"),
        (replace(MEASURED, patience=50), "8 times"),
    ],
)
def test_a_guard_with_too_few_looks_to_end_the_run_is_no_budget(budget, looks, often):
    plan = replace(often, guards=("narrowing",), budget=budget)
    advice = advise(measured(), plan)
    assert {choice.key: choice.value for choice in advice.choices} == {"credit.rule": "maxrl"}
    (told,) = [one for one in advice.findings if "cannot end this run" in one.text]
    assert told.level is Urgency.WARNING
    assert f"it looks {looks} in 200 steps, and ends a run at look {budget.patience + 1} at the soonest" in told.text


@pytest.mark.parametrize(("steps", "ends"), [(8, False), (12, False), (13, True)])
def test_a_guard_is_set_where_the_run_is_long_enough_for_the_looks_that_it_takes(steps, ends, often):
    advice = advise(measured(), replace(often, steps=steps, problems={"kind": 10}))
    chosen = {choice.key: choice.value for choice in advice.choices}
    # no more than 128 times between two looks would be every 2 steps, as often as training draws is every 6
    assert ("guards.settings.narrowing.every" in chosen) is ends
    assert any(one.text.startswith("Too short for guard narrowing") for one in advice.findings) is not ends


@pytest.mark.parametrize("steps", [2, 200])  # 3 and 341 times
def test_a_run_file_that_has_all_of_it_keeps_all_of_it(steps, often):
    plan = replace(often, steps=steps, rule="area", kl=0.1, leashed=True, guards=("narrowing",), budget=MEASURED)
    advice = advise(measured(), plan)
    assert {choice.key: choice.value for choice in advice.choices} == {"credit.rule": "area"}
    told = [one.text for one in advice.findings if "leash" in one.text]
    assert any(text.startswith("On the leash") for text in told)
    assert not [text for text in told if text.startswith("The run file has loss.kl=")]


def test_a_leashed_run_file_is_told_of_another_budget_however_seldom_problems_are_seen(often):
    plan = replace(often, steps=52, rule="area", kl=0.1, leashed=True, guards=("narrowing",))  # 89 times
    told = [
        [
            one.text
            for one in advise(measured(), replace(plan, budget=budget)).findings
            if "ends the run when" in one.text
        ]
        for budget in (MEASURED, replace(MEASURED, drop=0.5))
    ]
    assert told[0] == [] and len(told[1]) == 1 and "50 points" in told[1][0]


@pytest.mark.parametrize("kl", [0.0, 0.05])
def test_a_run_file_with_another_kl_or_that_wants_none_keeps_it_and_gets_the_guard(kl, often):
    advice = advise(measured(), replace(often, kl=kl, rule="nsr"))
    chosen = {choice.key: choice.value for choice in advice.choices}
    assert chosen["credit.rule"] == "maxrl" and chosen["guards.settings.narrowing.finish"] is True
    assert not [key for key in chosen if key.startswith("loss.")]
    leashed = advise(measured(), replace(often, kl=0.1, leashed=True, guards=()))  # nothing that would end it
    assert leashed.rule == "maxrl" and any(
        one.text.startswith("The run file has loss.kl=0.1") for one in leashed.findings
    )
    assert bool(kl) == any(one.text.startswith("The run file has loss.kl=0.05") for one in advice.findings)


def test_where_task_types_differ_there_is_a_guard_and_no_leash(often):
    kinds = [measured(0.5, 0.95, name="easy"), measured(0.02, 0.2, name="hard")]
    advice = advise(measured(0.49, 0.9), often, kinds=kinds)
    assert advice.rule == "share"
    keys = {choice.key for choice in advice.choices}
    assert "guards.settings.narrowing.finish" in keys and not [key for key in keys if key.startswith("loss.")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Guard narrowing with finish=true, recommended here, ends such a run once pass@8"),
        (
            {"held_out": 0},
            "Guard narrowing, which needs test problems, and the task has none, would end such a run once",
        ),
        ({"guards": ()}, "The run file wants no guards (guards.names=[]), and gets none"),
        ({"guards": ("narrowing",)}, "guards.settings.narrowing.finish=true and guards.act=true"),
        ({"guards": ("narrowing",), "budget": MEASURED}, None),
        (
            {"guards": ("narrowing",), "budget": replace(MEASURED, drop=0.1)},
            "when 10 points of pass@8 on 128 problems x 32 are lost; what is said here of ending it was measured with 3 points",
        ),
        ({"guards": ("narrowing",), "budget": replace(MEASURED, drop=0.005)}, "when 0.5 points of pass@8"),
        ({"guards": ("narrowing",), "budget": replace(MEASURED, k=2)}, "when 3 points of pass@2"),
        ({"guards": ("narrowing",), "budget": replace(MEASURED, problems=4)}, "on 4 problems x 32"),
        ({"guards": ("narrowing",), "budget": replace(MEASURED, problems=90)}, None),  # all that are held out
        ({"guards": ("narrowing",), "budget": replace(MEASURED, drop=0.1), "steps": 50}, None),  # 85 times
        ({"guards": ("narrowing",), "budget": MEASURED, "held_out": 0}, "the task has none: the run is refused"),
        ({"steps": 50}, None),  # 85 times
    ],
)
@pytest.mark.parametrize("steps", [120, 200])  # 205 and 341 times: both words on intensity
def test_a_word_says_what_would_end_the_run(changes, said, steps, lab):
    plan = replace(lab, steps=steps, problems={"countdown": 300}, held_out=90, guards=("success",))
    found = [one.text for one in advise(measured(), replace(plan, **changes)).findings if "narrowing" in one.text]
    found = [text for text in found if not text.startswith(("Your 300", "On the leash"))]
    assert [said in text for text in found] == ([] if said is None else [True]), found


@pytest.mark.parametrize("rule", ["nsr", "maxrl", None])
def test_a_run_file_with_a_kl_is_told_that_the_runs_behind_the_advice_had_none(rule, lab):
    weak = measured(0.07, 0.4)
    told = [text for text in texts(advise(weak, replace(lab, rule=rule, kl=0.1)), Urgency.NOTE) if "loss.kl=" in text]
    assert len(told) == 1 and told[0].startswith("The run file has loss.kl=0.1, and what is said here of rules")
    by_problem = advise(weak, replace(lab, rule=rule, kl=0.1, kl_by_problem=True))
    (said,) = [text for text in texts(by_problem, Urgency.NOTE) if "loss.kl=" in text]
    assert (
        said
        == f"{told[0]} Those held all prompts alike; the run file weighs its KL by problem (loss.kl_focus, loss.kl_evidence)."
    )
    assert not [text for text in texts(advise(weak, replace(lab, rule=rule)), Urgency.NOTE) if "loss.kl=" in text]


@pytest.mark.parametrize(
    ("problems", "prompts", "every"),
    [
        ({"countdown": 100}, 64, None),  # 5.12 rollouts of a problem a step: 128 in 25 steps
        ({"countdown": 70}, 64, 17),
        ({"countdown": 50}, 64, 12),
        ({"countdown": 30}, 64, 8),  # 7 steps would be 128 times, and 4,096 rollouts are eight steps' own
        ({"countdown": 30}, 4, None),  # 128 steps' own
        ({"countdown": 30, "arithmetic": 30}, 64, 16),  # both are drawn
    ],
)
def test_the_guard_looks_before_a_problem_was_drawn_more_often_than_was_measured(lab, problems, prompts, every):
    plan = replace(lab, steps=400, prompts_per_step=prompts, problems=problems, held_out=900, guards=("success",))
    chosen = {choice.key: choice.value for choice in advise(measured(), plan).choices}
    assert chosen["guards.settings.narrowing.problems"] == 128
    assert chosen.get("guards.settings.narrowing.every") == every


def test_how_often_problems_are_seen_counts_the_group_size_that_is_recommended(lab):
    plan = replace(lab, steps=60, problems={"countdown": 300}, held_out=90, guards=("success",))
    advice = advise(measured(0.07, 0.2), plan)
    chosen = {choice.key: choice.value for choice in advice.choices}
    # 60 x 64 x 8 / 300 = 102 times, and 205 with groups of 16
    assert chosen["rollout.group_size"] == 16 and chosen["guards.settings.narrowing.finish"] is True
    assert any("each be seen 205 times (60 steps of 64 x 16)" in finding.text for finding in advice.findings)


def test_a_guard_that_is_not_recommended_is_not_called_so(lab):
    plan = replace(lab, steps=200, problems={"countdown": 300}, held_out=90, guards=("success",))
    cut_off = advise(measured(0.1, 0.5, truncated=0.7), plan)  # to be fixed first: no rule, no guard
    assert cut_off.rule is None and not [one for one in cut_off.choices if one.key.startswith("guards.")]
    assert not [one.text for one in cut_off.findings if one.text.startswith("Guard narrowing")]


@given(SHARES, SHARES, SHARES, SHARES, st.integers(0, 100), st.sampled_from((None, "nsr", "psr", "share")))
def test_whatever_was_measured_the_advice_is_whole(lab, p, further, silent, cut, problems, own):
    coverage = p + (1 - p) * further  # a problem's success rate is at most 1, so coverage is at least the pass rate
    profile = measured(p, coverage, no_answer=silent, no_answer_cut=cut, truncated=cut, problems=problems)
    advice = advise(profile, replace(lab, rule=own))
    recommended = [rule for rule, status in statuses(advice).items() if status is Status.RECOMMENDED]
    assert recommended == ([] if advice.rule is None else [advice.rule])
    assert len(statuses(advice)) == len(advice.rules)
    assert advice.headline
    levels = [finding.level for finding in advice.findings]
    assert levels == sorted(levels, key=list(Urgency).index)
    # what is recommended can be written into a run file
    config = parse_config(
        {}, [f"{c.key}={str(c.value).lower() if c.value is True else c.value}" for c in advice.choices]
    )
    assert config.credit.rule in RULES
    assert config.credit.controller in CONTROLLERS


@given(SHARES, SHARES)
def test_a_better_policy_never_stands_lower(p, further):
    order = [Regime.NOTHING_RIGHT, Regime.WEAK, Regime.MIDDLE, Regime.STRONG, Regime.SATURATED]
    coverage = p + (1 - p) * further
    here, better = (regime_of(measured(q, c)) for q, c in ((p, coverage), ((1 + p) / 2, (1 + coverage) / 2)))
    assert order.index(here) <= order.index(better)


@given(st.floats(min_value=0.01, max_value=0.99), st.floats(min_value=0.01, max_value=0.9))
def test_the_matching_lambda_inverts_the_polarity_share(p, rho):
    found = matching_lambda(p, rho)
    assert found * p / (found * p + 1 - p) == pytest.approx(rho)


def test_the_rate_by_size():
    assert [fitting_rate(n, THRESHOLDS) for n in (0, 810_880, 10**7, 135 * 10**6, 7 * 10**9)] == [
        3e-5,
        3e-5,
        3e-5,
        1e-6,
        1e-6,
    ]
    assert fitting_rate(31_622_777, THRESHOLDS) == 5e-6  # half way in logarithms: sqrt(3e-5 * 1e-6) = 5.5e-6


def test_another_table_of_thresholds_gives_another_advice(lab):
    strict = Thresholds(strong_pass_rate=0.6)
    assert advise(measured(0.49, 0.9), lab, thresholds=strict).regime is Regime.MIDDLE


def test_every_threshold_stands_in_the_document():
    document = (Path(__file__).parents[3] / "docs" / "advise.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.,e-]+) \|", document, flags=re.MULTILINE)
    assert {name: float(value.replace(",", "")) for name, value in rows} == asdict(THRESHOLDS)

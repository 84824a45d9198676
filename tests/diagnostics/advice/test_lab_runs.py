"""Advice held against what lab runs did (lab_runs.toml): both bases are sampled here, small, and advised on with each run's settings."""

import tomllib
from functools import cache
from pathlib import Path

import pytest

from counterpoise.cli.subject import subject_of
from counterpoise.diagnostics.advice.decide import advise as decide
from counterpoise.diagnostics.advice.profile import Plan
from counterpoise.diagnostics.advice.result import Regime, Status
from counterpoise.jobs.advise import advise

EXPERIMENTS = tomllib.loads((Path(__file__).parent / "lab_runs.toml").read_text(encoding="utf-8"))["experiment"]
PARAMETERS = 810_880
RECOMMENDED_PLAN = {"prompts_per_step": 64, "group_size": 8, "learning_rate": 3e-5, "steps": 100}
LOSS = 2.0
"""Points of pass@1 whose loss a rule must have been warned of; seeds differ by about one."""

pytestmark = pytest.mark.slow


@cache
def profile_of(base):
    config, saved, name = subject_of(base, [], None)
    return advise(config, problems=64, saved=saved, name=name).profile


def advice_of(base, plan):
    return decide(
        profile_of(base),
        Plan(
            parameters=PARAMETERS, adapters=False, max_tokens=20, truncated_is="wrong", **{"guards_act": False} | plan
        ),
    )


def named(experiment):
    plan = experiment["plan"]
    return f"{experiment['base']}-{plan['prompts_per_step']}-{plan['learning_rate']:g}-seed{experiment['seeds'][0]}"


@pytest.fixture(params=EXPERIMENTS, ids=named)
def experiment(request):
    return request.param


def test_the_recommended_rule_raised_pass_at_1(experiment):
    advice = advice_of(experiment["base"], experiment["plan"])
    after = experiment["after"].get(advice.rule)
    if after is not None:
        assert after["1"] > experiment["before"]["1"]


def test_no_rule_that_is_advised_against_was_the_best(experiment):
    advice = advice_of(experiment["base"], experiment["plan"])
    best = max(experiment["after"], key=lambda rule: experiment["after"][rule]["1"])
    status = {verdict.rule: verdict.status for verdict in advice.rules}
    if experiment["after"][best]["1"] > experiment["before"]["1"]:
        assert status[best] is not Status.AGAINST


def test_a_rule_that_lost_pass_at_1_was_advised_against(experiment):
    advice = advice_of(experiment["base"], experiment["plan"])
    status = {verdict.rule: verdict.status for verdict in advice.rules}
    for rule, after in experiment["after"].items():
        if after["1"] < experiment["before"]["1"] - LOSS:
            assert status[rule] is Status.AGAINST, rule


@pytest.mark.parametrize(("base", "regime"), [("lab", Regime.STRONG), ("lab:weak", Regime.WEAK)])
def test_the_recommended_rule_was_run_on_each_base(base, regime):
    advice = advice_of(base, RECOMMENDED_PLAN)
    assert advice.regime is regime
    assert any(e["base"] == base and advice.rule in e["after"] for e in EXPERIMENTS)


@pytest.mark.parametrize(
    ("base", "k", "recorded"), [("lab:weak", 16, 0.571), ("lab:weak", 32, 0.752), ("lab", 32, 0.983)]
)
def test_the_extrapolation_holds_what_docs_lab_md_measured(base, k, recorded):
    # of test problems, while this is of training problems, of which the weak base knows hardly more: 64 x 8 say it to some 15 points
    (found,) = [one for one in profile_of(base).pass_at if one.k == k]
    assert found.extrapolated
    assert found.share.low - 0.03 <= recorded <= found.share.high + 0.03

"""The balance of the two signs has one place, and the columns say what each sign really weighs."""

import json
from pathlib import Path

import pytest
import torch

from counterpoise.build import credit as build_credit
from counterpoise.build.balance import balance_refused
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.observer import Silent
from counterpoise.errors import ConfigError
from counterpoise.jobs.explain_request import one_step
from counterpoise.jobs.study import load_study
from counterpoise.runfile import load_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch


class Listener(Silent):
    def __init__(self):
        self.lines = []

    def said(self, line):
        self.lines.append(line)


def batch(verdicts, kinds=None):
    correct = torch.tensor([verdict == "+" for verdict in verdicts])
    n = len(verdicts)
    return Batch(
        rewards=correct.double() * 2 - 1,
        correct=correct,
        scored=torch.ones(n, dtype=torch.bool),
        group_ids=torch.arange(n) // 4,
        lengths=torch.full((n,), 3),
        surprisal=torch.ones(n, dtype=torch.float64),
        task_types=kinds or ["countdown"] * n,
    )


@pytest.mark.parametrize(
    "overrides",
    [
        ("credit.controller=linear",),
        ("credit.controller=accuracy", "credit.settings.lambda=0.3"),
        ("credit.controller_settings.lambda_plus=0.5",),
        ("credit.rule=hinge", "credit.settings.minus=0.5", "credit.controller=entropy_step"),
        ("credit.rule=asymmetric", "credit.settings.b=0.2", "credit.controller=warmup_psr"),
    ],
)
def test_a_balance_set_in_two_places_is_refused_before_anything_starts(configure, overrides):
    with pytest.raises(
        ConfigError, match=r"multiplies weights of its own onto them .*; set the balance in one place: "
    ):
        assemble(configure(*overrides))


def test_a_controller_without_the_sign_that_it_needs_is_refused_before_anything_starts(configure):
    with pytest.raises(
        ConfigError, match=r"credit\.controller=share would bring every credit to zero; set credit\.controller=constant"
    ):
        assemble(configure("credit.rule=nsr", "credit.controller=share"))


REPOSITORY = Path(__file__).parents[2]


def test_no_run_file_and_no_study_of_the_repository_sets_it_twice():
    files = sorted((REPOSITORY / "recipes").rglob("*.toml"))
    configs = [load_config(path) for path in files]
    configs += [run.config for path in sorted((REPOSITORY / "studies").glob("*.toml")) for run in load_study(path).runs]
    assert len(configs) > 50
    assert [config.run.name for config in configs if balance_refused(config)] == []


# (weight_plus, weight_minus) at the first step and at the last
@pytest.mark.parametrize(
    ("overrides", "first", "last"),
    [
        (("credit.rule=reinforce", "credit.controller=linear"), (1.0, 1.0), (0.1, 1.0)),
        (("credit.settings.lambda=1", "credit.controller=linear"), (1.0, 1.0), (0.1, 1.0)),
        (("credit.settings.lambda=0.1",), (0.1, 1.0), (0.1, 1.0)),
        (("credit.rule=reinforce", "credit.controller_settings.lambda_plus=0.25"), (0.25, 1.0), (0.25, 1.0)),
        (("credit.rule=psr",), (1.0, 0.0), (1.0, 0.0)),
        (("credit.rule=nsr", "credit.controller=linear"), (0.0, 1.0), (0.0, 1.0)),
        (("credit.rule=asymmetric", "credit.settings.b=0.75"), (0.25, 0.75), (0.25, 0.75)),
        (("credit.rule=hinge", "credit.settings={lambda=0.1, minus=0.5}"), (0.1, 0.5), (0.1, 0.5)),
        (("credit.rule=hinge", 'credit.settings={lambda=0.1, threshold="ema"}'), (0.1, 1.0), (0.1, 1.0)),
    ],
)
def test_the_effective_weights_are_what_right_and_wrong_rollouts_get(configure, overrides, first, last):
    assembly = assemble(configure("learner.steps=3", *overrides))
    seen = []
    for _ in range(3):
        credit, metrics = assembly.credit(batch("++-----+"))
        seen.append((metrics["weight_plus"].mean, metrics["weight_minus"].mean))
        # binary rewards: a right rollout has all of the positive weight, a wrong one all of the negative
        assert credit.plus[[0, 1, 7]].tolist() == pytest.approx([seen[-1][0]] * 3)
        assert credit.minus[2:7].tolist() == pytest.approx([seen[-1][1]] * 5)
    assert seen[0] == pytest.approx(first)
    assert seen[-1] == pytest.approx(last)


def test_share_holds_its_aim_whatever_the_rules_own_weight(configure):
    weights = {}
    for rule in ("reinforce", "weighted_reinforce"):
        assembly = assemble(configure(f"credit.rule={rule}", "credit.controller=share"))
        _, metrics = assembly.credit(batch("++-----+"))
        assert metrics["polarity_share_tokens"].mean == pytest.approx(0.5)
        weights[rule] = (metrics["weight_plus"].mean, metrics["weight_minus"].mean)
    # 3 right and 5 wrong at equal lengths: 5/3 makes the share 1/2
    assert weights["reinforce"] == pytest.approx((5 / 3, 1.0))
    assert weights["weighted_reinforce"] == pytest.approx((5 / 3, 1.0))


def test_a_run_that_began_with_two_places_goes_on_and_says_so(configure, monkeypatch):
    overrides = ("credit.controller=linear", "credit.controller_settings.steps=4", "learner.steps=2")
    run = RunDirectory.create(configure(*overrides))
    with monkeypatch.context() as patch:  # as it was made before they were refused
        patch.setattr(build_credit, "balance_refused", lambda config: None)
        train(run)
    listener = Listener()
    train(RunDirectory.open(run.path, ["learner.steps=3"]), observer=listener)
    assert sum("set the balance in one place" in line for line in listener.lines) == 1
    *_, last = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    assert (last["step"], last["lambda_plus"], last["weight_plus"]) == (3, pytest.approx(0.4), pytest.approx(0.04))


def test_explain_shows_another_rule_without_the_controller_that_would_weigh_it_twice(configure):
    config = configure("credit.rule=reinforce", "credit.controller=linear")
    assert one_step(config, "reinforce").credit.controller == "linear"
    assert one_step(config, "nsr").credit.controller == "linear"
    other = one_step(config, "weighted_reinforce").credit
    assert (other.controller, other.controller_settings) == ("constant", {})


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("rollout.top_p=0.9",), "rollout.top_p=0.9"),
        (("rollout.top_k=20",), "rollout.top_k=20"),
        (("rollout.top_p=0.9", "rollout.top_k=20"), "rollout.top_p=0.9 and rollout.top_k=20"),
    ],
)
def test_draws_from_a_part_of_the_distribution_are_said_once(configure, overrides, line):
    run = RunDirectory.create(configure(*overrides, "learner.steps=1"))
    listener = Listener()
    train(run, observer=listener)
    again = Listener()
    train(RunDirectory.open(run.path, ["learner.steps=2"]), observer=again)
    expected = (
        f"{line}: responses are drawn from a part of the policy's distribution, while the importance ratio and the gradient are those of "
        "the whole of it, so the gradient is biased: nothing makes up for the tokens that are never drawn. Train with rollout.top_p=1 "
        "rollout.top_k=0; evaluation.top_p and evaluation.top_k are settings of their own"
    )
    assert [said for said in listener.lines + again.lines if "biased" in said] == [expected]
    events = [json.loads(entry) for entry in (run.path / "events.jsonl").read_text().splitlines()]
    assert sum("biased" in json.dumps(event) for event in events) == 1


def test_whole_draws_are_no_matter(configure):
    assert assemble(configure("evaluation.top_p=0.9")).notices == ()

"""Which prompts the leash holds by what the base itself makes of them (`loss.kl_evidence`), in whole runs."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.observer import Silent
from counterpoise.errors import ConfigError, StoreError, TrainingError
from counterpoise.runfile import parse_config
from counterpoise.runs.directory import RunDirectory

LEASH = ("loss.kl=0.25", "credit.rule=nsr", "credit.filter=none", "tasks.max_train=10")


@pytest.fixture
def right_from(judged):
    """`right_from(2)`: each problem's responses are right from its third one on, whatever the policy says; a group has four."""
    return lambda first: judged(lambda row: row % 4 >= first)


def _kept(run):
    return [json.loads(line) for line in run.base_evidence.read_text().splitlines()]


def _policy(run):
    return load_file(run.checkpoints / "step-000004" / "policy" / "model.safetensors")


def _same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("enough", "as_with"), [(3, "0.25"), (2, "1e-30")])
def test_the_leash_holds_those_that_the_base_does_not_solve_often_enough(configure, right_from, enough, as_with):
    right_from(2)  # two of four, for every problem
    run = RunDirectory.create(configure(*LEASH, "loss.kl_evidence=4", f"loss.kl_enough={enough}", name="evidence"))
    train(run)
    assert _kept(run) == [{"problem_id": record["problem_id"], "drawn": 4, "right": 2} for record in _kept(run)]
    assert len({record["problem_id"] for record in _kept(run)}) == 10
    plain = RunDirectory.create(configure(*LEASH, f"loss.kl={as_with}", name="plain"))
    train(plain)
    assert _same(_policy(run), _policy(plain))
    events = [json.loads(line)["message"] for line in (run.path / "events.jsonl").read_text().splitlines()]
    (said,) = [message for message in events if "loss.kl holds" in message]
    held = 10 if enough == 3 else 0
    assert said == (
        f"loss.kl holds {held} of 10 training problems: the base gave them fewer than {enough} right answers in 4; the others move freely"
    )


def test_it_multiplies_with_the_focus_on_what_the_policy_does_not_solve(configure, right_from):
    right_from(2)
    both = ("loss.kl_evidence=4", "loss.kl_enough=3", "loss.kl_focus=1", "loss.kl=0.5")
    run = RunDirectory.create(configure(*LEASH, *both, name="both"))  # held, by half
    train(run)
    plain = RunDirectory.create(configure(*LEASH, name="plain"))
    train(plain)
    assert _same(_policy(run), _policy(plain))


def test_under_the_placebo_the_leash_reads_the_coin_as_credit_does(configure, right_from):
    right_from(4)  # none
    coins = ("credit.reward=random", "credit.reward_settings.probability=1.0")
    run = RunDirectory.create(configure(*LEASH, *coins, "loss.kl_evidence=4", "learner.steps=1"))
    train(run)
    assert {record["right"] for record in _kept(run)} == {4}


class _Stops(Silent):
    """Ctrl-C after the first block of the base's responses."""

    def __init__(self):
        self.seen = []

    def evaluating(self, label, done, total):
        self.seen.append((label, done, total))
        if len(self.seen) == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_stopped_while_the_base_draws_goes_on_with_what_is_missing(configure):
    asked = (*LEASH, "loss.kl_evidence=4")
    whole = RunDirectory.create(configure(*asked, name="whole"))
    train(whole)
    run = RunDirectory.create(configure(*asked, name="stopped"))
    first = _Stops()
    with pytest.raises(RunInterruptedError, match="stopped after step 0"):
        train(run, observer=first)
    assert first.seen == [("base on training problems", 16, 40)] and len(_kept(run)) == 4
    with run.base_evidence.open("a") as torn:
        torn.write('{"problem_id": "x", "drawn": 4, "ri')
    again = _Stops()
    again.seen.append("no signal")
    train(RunDirectory.open(run.path, []), observer=again)
    assert [done for _, done, total in again.seen[1:]] == [32, 40]
    assert [line for line in run.base_evidence.read_text().splitlines() if line.endswith("}")] == (
        whole.base_evidence.read_text().splitlines()
    )
    assert _same(_policy(run), _policy(whole))


@pytest.mark.parametrize("damage", ["", '{"problem_id": "a", "drawn": 8, "right": 1}\n', '{"problem_id": 3}\n\xff\n'])
def test_without_its_counts_a_run_that_has_begun_is_refused_in_one_line(configure, damage):
    run = RunDirectory.create(configure(*LEASH, "loss.kl_evidence=4", "learner.steps=2"))
    train(run)
    run.base_evidence.write_text(damage, encoding="latin-1")
    train(RunDirectory.open(run.path, []))  # no step is to come, so nothing needs them
    with pytest.raises(StoreError, match=r"base_evidence.jsonl lacks 10 of 10 training problems.*put the file back"):
        train(RunDirectory.open(run.path, ["learner.steps=4"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss.kl_evidence=8"], "kl_evidence=8 says which prompts the KL term holds, and kl=0 has none"),
        (
            ["loss.kl=0.1", "loss.kl_evidence=4", "loss.kl_enough=5"],
            "kl_enough=5 right answers cannot be among kl_evidence=4 responses",
        ),
        (["loss.kl=0.1", "loss.kl_enough=2"], "kl_enough=2 right answers cannot be among kl_evidence=0 responses"),
    ],
)
def test_what_cannot_hold_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({}, overrides)


def test_a_judge_that_fails_while_the_base_draws_leaves_nothing_and_refuses_the_run(configure, judged):
    judged(lambda row: False, scored=lambda row: False)
    run = RunDirectory.create(configure(*LEASH, "loss.kl_evidence=4"))
    with pytest.raises(TrainingError, match=r"16 of 16 rollouts could not be scored \(asked for: 16\)"):
        train(run)
    assert not run.base_evidence.exists()


def test_rows_that_a_filter_drops_are_said_not_to_be_held(configure):
    def notices(*overrides):
        return assemble(configure("loss.kl=0.1", "credit.rule=grpo", *overrides)).notices

    (said,) = notices("loss.kl_evidence=4")
    assert said.endswith("and loss.kl_evidence cannot hold what is dropped; set credit.filter=none")
    assert notices("loss.kl_focus=1", "credit.filter=zero_variance")
    assert list(notices("loss.kl_evidence=4", "credit.filter=none")) == list(notices()) == []

"""Guards in a run: silent ones change nothing, loud ones act, go back, stop, and are written down."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.diagnostics.guards.base import Alarm, Relief
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.engines.local.loop import train
from counterpoise.errors import ConfigError, TrainingError, UnknownNameError
from counterpoise.runfile import dump_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Verdict, VerdictValue

WORKER = Path(__file__).with_name("guards_worker.py")


class _AtLooks:
    """Fires at these looks of its life, which a return to a checkpoint sets back; a stubborn one under relief too."""

    def __init__(self, *, looks: str = "", stubborn: bool = False) -> None:
        self._looks = {int(look) for look in looks.split(",") if look}
        self._stubborn, self._count = stubborn, 0

    def look(self, record):
        self._count += 1
        if self._count not in self._looks or ("guard_share" in record and not self._stubborn):
            return None
        return Alarm(message="the test's own", seen={"look": self._count}, excess=1.0, relief=Relief(share=0.5))

    @property
    def calm(self):
        return True

    def state_dict(self):
        return {"count": self._count}

    def load_state_dict(self, state):
        self._count = state["count"]


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(GUARDS, "one", _AtLooks)
    monkeypatch.setitem(GUARDS, "other", _AtLooks)


@pytest.fixture
def a_quarter_right(judge_with):
    """A policy as new as this one finds no answer, and positive credit needs some."""

    def verify(self, problems, responses, truncated=None):
        values = [VerdictValue.WRONG if index % 4 else VerdictValue.CORRECT for index in range(len(responses))]
        rest = {"answer": None, "basis": "by its place", "seconds": 0.0, "verifier": "countdown", "version": "0"}
        return [Verdict(value=value, **rest) for value in values]

    judge_with(verify)


def _both_at(*looks, rollbacks=3):
    """Two guards that fire at the same looks, and a checkpoint at every step."""
    at = ",".join(map(str, looks))
    return (
        "guards.names=['one', 'other']",
        f"guards.settings.one.looks='{at}'",
        f"guards.settings.other.looks='{at}'",
        f"guards.rollbacks={rollbacks}",
        "guards.act=true",
        "guards.hold=1",
        "guards.fade=1",
        "checkpoint.every_steps=1",
        "checkpoint.keep=20",
        "credit.rule=nsr",
    )


def _trained(config):
    run = RunDirectory.create(config)
    train(run)
    return run


def _weights(run, step):
    return load_file(run.checkpoints / f"step-{step:06d}" / "policy" / "model.safetensors")


def _state(run, step):
    return torch.load(run.checkpoints / f"step-{step:06d}" / "state.pt", weights_only=True)


def _same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or (one != one and other != other)  # NaN is NaN here


def _events(run, *kinds):
    path = run.path / "events.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [event for event in events if event["kind"] in kinds]


def _numbers(run):
    clocks = ("seconds", "tokens_per_second", "peak_memory")
    records = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    return [
        {name: value for name, value in record.items() if name != "time" and not name.startswith(clocks)}
        for record in records
    ]


def test_a_run_in_which_nothing_fires_equals_one_without_guards_bit_for_bit(configure):
    off = _trained(configure("guards.names=[]", name="off"))
    for name, extra in (("watching", ()), ("acting", ("guards.act=true", "checkpoint.keep=3"))):
        run = _trained(configure(*extra, name=name))
        assert _same(_weights(off, 4), _weights(run, 4))
        assert _same(_state(off, 4)["learner"], _state(run, 4)["learner"])
        assert _numbers(off) == _numbers(run)
        assert not _events(run, "guard", "guard_rollback")


def test_guards_that_may_not_act_only_say(configure):
    loud = [setting for setting in _both_at(1, 2, 3) if "act" not in setting]
    quiet = [setting for setting in _both_at() if "act" not in setting]
    run, other = _trained(configure(*loud, name="loud")), _trained(configure(*quiet, name="quiet"))
    assert _same(_weights(run, 4), _weights(other, 4))
    assert _numbers(run) == _numbers(other)
    (began, _, ended, _) = _events(run, "guard")
    assert began["message"] == (
        "one: the test's own; nothing is done about it (guards.act=true would: the positive share is held at 0.5 or more)"
    )
    assert (began["step"], began["guard"], began["action"], began["seen"]) == (1, "one", "watched", {"look": 1})
    assert (ended["step"], ended["message"]) == (4, "one: back within its limits")


def test_relief_raises_the_share_of_a_rule_without_positives_and_is_recorded(configure, a_quarter_right):
    settings = [setting for setting in _both_at(1) if "other" not in setting or "names" in setting]
    run = _trained(configure(*settings, "guards.names=['one']", "learner.steps=5"))
    records = _numbers(run)
    # full at steps 2 and 3 (its own and one that is held), half at 4, none at 5
    assert [record.get("guard_share") for record in records] == [None, 0.5, 0.5, 0.25, None]
    assert [record.get("guard_minus") for record in records] == [None, 1.0, 1.0, 1.0, None]
    for record in records[1:4]:
        asked = record["guard_share"]
        assert record["polarity_share_tokens"] == pytest.approx(asked, abs=1e-6)
    assert [records[0]["polarity_share_tokens"], records[4]["polarity_share_tokens"]] == [0.0, 0.0]


def test_a_return_restores_policy_optimiser_and_controller_exactly_and_the_run_goes_on(configure, a_quarter_right):
    share = ("credit.rule=weighted_reinforce", "credit.controller=share")
    run = _trained(configure(*_both_at(4, rollbacks=1), *share, "learner.steps=6"))
    # the two fire after step 4; step 3 was the last that was saved in peace
    (event,) = _events(run, "guard_rollback")
    assert (event["step"], event["good"]) == (4, 3)
    assert event["message"] == (
        "back to the weights, the optimiser and the controller of step 3: one, other fired at once (return 1 of 1 at most); "
        "the positive share is held at 0.5 or more"
    )
    back, good = _state(run, 4), _state(run, 3)
    assert _same(_weights(run, 4), _weights(run, 3))
    assert _same(back["learner"], good["learner"])
    assert _same(back["controller"], good["controller"])
    assert back["guards"]["returned"] == 1
    assert not _same(_weights(run, 5), _weights(run, 4))
    assert [record["step"] for record in _numbers(run)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("lora", [(), ("model.lora.rank=2", "model.lora.alpha=4")])
def test_resume_after_and_before_a_return_is_bit_exact(configure, a_quarter_right, lora, stop_after):
    settings = (*_both_at(3), *lora, "learner.steps=6")
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    whole = _trained(configure(*settings, name="whole"))
    for step in (2, 3, 4):
        parts = RunDirectory.create(configure(*settings, name=f"parts-{step}"))
        with pytest.raises(RunInterruptedError):
            train(parts, observer=stop_after(step))
        train(RunDirectory.open(parts.path))
        one, other = (load_file(run.checkpoints / "step-000006" / "policy" / name) for run in (whole, parts))
        assert _same(one, other)
        assert _same(_state(whole, 6), _state(parts, 6))
        assert _numbers(whole) == _numbers(parts)


def test_after_its_returns_the_run_stops_says_so_and_keeps_everything(configure):
    stubborn = ("guards.settings.one.stubborn=true", "guards.settings.other.stubborn=true")
    # looks 1 and 2, back to step 1 (whose guards had looked once), look 2 again: that is step 3
    run = RunDirectory.create(configure(*_both_at(2, rollbacks=1), *stubborn, "learner.steps=6"))
    with pytest.raises(TrainingError) as stopped:
        train(run)
    good = run.checkpoints / "step-000001" / "policy"
    assert str(stopped.value) == (
        "training stopped by its guards after step 3: one, other fired at once, after 1 of 1 returns. Everything is "
        f"kept; start a new run from {good} (as model.name) with a smaller learning rate"
    )
    (event,) = _events(run, "guard_stopped")
    assert (event["step"], event["message"]) == (3, str(stopped.value))
    assert sorted(path.name for path in run.checkpoints.glob("step-*")) == [f"step-{step:06d}" for step in range(4)]
    assert [record["step"] for record in _numbers(run)] == [1, 2, 3]


def test_the_good_checkpoint_outlives_those_that_are_kept(configure):
    settings = (*_both_at(3), "checkpoint.keep=1", "checkpoint.best_by=none", "guards.hold=9", "guards.together=3")
    run = _trained(configure(*settings, "learner.steps=6"))
    assert sorted(path.name for path in run.checkpoints.glob("step-*")) == ["step-000002", "step-000006"]


def test_mistakes_are_found_before_the_model_is_read(configure):
    for override, error, words in (
        ("guards.names=['entropi']", UnknownNameError, "did you mean 'entropy'"),
        ("guards.settings.entropy.factor=0.5", ConfigError, "guards entropy: factor = 0.5; expected a number in"),
    ):
        run = RunDirectory.create(configure(override))
        with pytest.raises(error, match=words):
            train(run)
        assert not run.path.exists()
    with pytest.raises(
        ConfigError, match=r"guards.floor=0.1 changes the credit, and guards.act=false; set guards.act=true"
    ):
        configure("guards.floor=0.1")


@pytest.mark.slow
def test_processes_agree_on_a_return(configure, tmp_path, pythons):
    settings = (
        "guards.names=['entropy', 'truncation']",
        "guards.settings={entropy = {factor = 1.000001, patience = 1}, truncation = {rise = 0.000001, patience = 1}}",
        "guards.together=1",
    )
    config = configure(
        *settings,
        "guards.act=true",
        "guards.floor=0.1",
        "guards.rollbacks=20",
        "learner.steps=12",
        "checkpoint.every_steps=1",
    )
    run_file = tmp_path / "run.toml"
    run_file.write_text(dump_config(config))
    for process in pythons(2, WORKER, run_file, tmp_path):
        assert process.wait().returncode == 0, process.stdout + process.stderr
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert _same(one, other)
    assert one["guards"]["returned"] > 0
    run = RunDirectory.read(config.path)
    assert len(_events(run, "guard_rollback")) == one["guards"]["returned"]

"""Judging while others are decoded: the same run, begun earlier."""

import json
import multiprocessing
import os
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.engines.local.loop import train
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.runfile import parse_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics

# What it makes of a response depends on the text alone; at some it raises, of some it dies.
CHECK = """
import os, time
from pathlib import Path

def check(response, gold):
    with Path(__file__).with_name("log").open("a") as log:
        log.write(repr(response) + chr(10))
    match sum(map(ord, response)) % 32:
        case 0 | 8 | 16:
            raise ValueError("no")
        case 1:
            os._exit(3)
        case even if even % 2:
            return 1.0
    return 0.0
"""


@pytest.fixture
def checked(tiny_policy, tmp_path):
    """`checked(name, setting, …)`: a run of two steps whose responses the function above judges, and what it was asked."""
    records = [{"question": f"{n}+1", "answer": str(n + 1)} for n in range(8)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    def make(name, *overrides, check=CHECK):
        (tmp_path / "own.py").write_text(check)
        settings = {
            "path": str(tmp_path / "problems.jsonl"),
            "gold": "answer",
            "test_fraction": 0.5,
            "template": "plain",
        }
        config = {
            "run": {"directory": str(tmp_path / "runs"), "name": name, "threads": 1},
            "model": {"name": str(tiny_policy)},
            "tasks": {"name": "jsonl", "settings": {**settings, "verifier": f"{tmp_path}/own.py:check"}},
            "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 8},
            "learner": {"steps": 2, "learning_rate": 1e-3, "minibatch": 2},
            "diagnostics": {"every": 0},
            "verification": {"timeout": 5.0, "workers": 1, "blame": "none", "max_unscored": 0.9},
            "evaluation": {"problems": 2, "n": 4, "before": False, "after": True},
        }
        log = tmp_path / "log"
        log.write_text("")
        run = RunDirectory.create(parse_config(config, overrides))
        return run, lambda: sorted(log.read_text().splitlines())

    return make


def _numbers(run):
    """All that was measured but for times, and what hangs on them."""
    timed = ("time", "seconds", "tokens_per_second", "peak_memory")
    records = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    return [{name: value for name, value in one.items() if not name.startswith(timed)} for one in records]


def _stored(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_a_run_is_the_same_to_the_last_bit_whatever_its_verifier_does(checked):
    runs, asked = {}, {}
    for name in ("on", "off"):
        run, log = checked(name, f"rollout.overlap={'true' if name == 'on' else 'false'}")
        train(run)
        runs[name], asked[name] = run, log()
    for one, other in zip(*map(_numbers, runs.values()), strict=True):
        assert {name: (one[name], other[name]) for name in one | other if one[name] != other[name]} == {}
    assert any(0 < record["unscored"] < 1 for record in _numbers(runs["on"]))
    one, other = (load_file(run.checkpoints / "step-000002" / "policy" / "model.safetensors") for run in runs.values())
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    stores = [sorted(path.name for path in run.evaluation(2).iterdir()) for run in runs.values()]
    assert stores[0] == stores[1]
    for name in stores[0]:
        if name.startswith(("rollouts", "verdicts")):
            assert _stored(runs["on"].evaluation(2) / name) == _stored(runs["off"].evaluation(2) / name), name
    assert asked["on"] == asked["off"]


@pytest.fixture
def in_the_middle(monkeypatch):
    """`in_the_middle(act)`: call it once, when the first responses were handed over and others are still being decoded."""
    told = []

    def patch(act):
        original = EmbeddedSampler.sample_telling

        def sample_telling(self, prompts, *, group_size, ended, **options):
            def first(places, rollouts):
                ended(places, rollouts)
                told.append(len(places))
                if len(told) == 1:
                    assert told[0] < group_size * len(prompts)
                    act()

            return original(self, prompts, group_size=group_size, ended=first, **options)

        monkeypatch.setattr(EmbeddedSampler, "sample_telling", sample_telling)

    yield patch
    assert told


def _until(true):
    deadline = time.monotonic() + 120.0  # for a machine that stands still
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_judging_begins_while_others_are_decoded_and_a_signal_meanwhile_is_a_wish(checked, in_the_middle):
    run, log = checked("run")

    def act():
        _until(log)  # asked already, and the sampler waits here
        os.kill(os.getpid(), signal.SIGINT)

    in_the_middle(act)
    with pytest.raises(RunInterruptedError, match="stopped after step 1, saved"):
        train(run)
    assert [record["step"] for record in _numbers(run)] == [1]


def test_what_stops_at_once_leaves_no_worker_behind(checked, in_the_middle):
    hanging = CHECK.replace("    match sum", "    time.sleep(1000)\n    match sum")
    run, log = checked("run", "verification.timeout=900", check=hanging)
    before = set(multiprocessing.active_children())

    def act():
        _until(log)
        raise KeyboardInterrupt

    in_the_middle(act)
    with pytest.raises(KeyboardInterrupt):
        train(run)
    _until(lambda: set(multiprocessing.active_children()) <= before)
    assert len(log()) == 1  # what the worker was at

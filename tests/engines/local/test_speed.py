"""Threads by measurement: the number that a run began with is the number that it goes on with."""

import json

import pytest
import torch

from counterpoise.engines.local import speed
from counterpoise.engines.local.dry_run import dry_run
from counterpoise.engines.local.speed import chosen_threads, product_rate, settle_threads
from counterpoise.learner import products as library
from counterpoise.runs.directory import RunDirectory


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rates(monkeypatch):
    """What is measured, by number of threads; the shapes that were asked for."""
    made, asked = {}, []

    def rate(threads, *, rows, width, products):
        asked.append((rows, width, products))
        return made[threads]

    monkeypatch.setattr(speed, "product_rate", rate)
    monkeypatch.setattr(speed, "candidates", lambda: sorted(made))
    return made, asked


@pytest.mark.parametrize(
    ("rates", "threads"),
    [
        ({1: 80.0}, 1),
        ({1: 80.0, 2: 90.0}, 1),  # 90 / 80 < 1.15
        ({1: 80.0, 2: 140.0, 16: 150.0}, 2),  # 150 / 140 < 1.15
        ({1: 80.0, 2: 150.0, 16: 900.0}, 16),
        ({1: 80.0, 2: 30.0}, 1),  # they wait for each other
        ({1: 0.0}, 1),
    ],
)
def test_the_fewest_threads_that_are_not_slower(rates, threads):
    assert chosen_threads(rates) == threads


def test_a_measurement_leaves_the_threads_alone():
    torch.set_num_threads(1)
    assert product_rate(2, rows=8, width=16) > 0
    assert torch.get_num_threads() == 1


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize(("products", "shape"), [("onednn", [(32, 256, 1024)]), ("torch", [])])
def test_products_are_those_that_the_learner_takes(monkeypatch, products, shape):
    made, real = [], library._onednn
    monkeypatch.setattr(
        library, "_onednn", lambda left, right: made.append((*left.shape, len(right))) or real(left, right)
    )
    assert product_rate(1, rows=20, width=256, products=products) > 0
    assert sorted(set(made)) == shape  # 20 rows are filled up to 32, as a pass is


def test_a_run_goes_on_with_the_threads_it_began_with(configure, rates):
    made, asked = rates
    made.update({1: 80.0, 2: 160.0})
    run = RunDirectory.create(configure("run.threads=auto"))
    settle_threads(run)
    assert torch.get_num_threads() == 2
    assert asked == [(16, 32, "auto")] * 2  # 4 prompts x 4 rollouts, the hidden size of the policy, learner.products
    (event,) = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert (event["kind"], event["threads"]) == ("threads", 2)
    assert event["message"] == "run.threads=auto: 2 (GFLOP/s by threads: 1: 80, 2: 160)"
    made.update({1: 80.0, 2: 8.0})  # another hour, other neighbours
    settle_threads(RunDirectory.open(run.path))
    assert torch.get_num_threads() == 2
    assert len(asked) == 2


@pytest.mark.parametrize("threads", ["2", 0, -1, True, None])
def test_a_number_in_the_events_that_is_none_is_measured_again(configure, rates, threads):
    rates[0].update({1: 80.0})
    run = RunDirectory.create(configure("run.threads=auto"))
    run.note("threads", 0, "by hand", threads=threads)
    settle_threads(run)
    assert torch.get_num_threads() == 1


def test_a_number_that_is_set_is_not_measured(configure, rates):
    settle_threads(RunDirectory.create(configure("run.threads=3")))
    assert (torch.get_num_threads(), rates[1]) == (3, [])


def test_a_dry_run_says_it_and_writes_nothing(configure, rates):
    rates[0].update({1: 80.0, 2: 160.0})
    run = RunDirectory.planned(configure("run.threads=auto"))
    assert dry_run(run)[0] == "device: cpu, 2 threads (the fastest, by measurement)"
    assert "measured: run.threads=auto: 2 (GFLOP/s by threads: 1: 80, 2: 160)" in dry_run(run)
    assert not run.path.exists()

"""Rules that need more of a step than rewards and statistics: gdpo and the moving threshold, in whole runs."""

import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.credit import group_statistics
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.errors import DataError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch, Sum

GRADED = ("credit.rule=hinge", "credit.reward=graded", "credit.reward_settings.part=brevity")
EMA = (*GRADED, "credit.settings.threshold=ema", "credit.settings.smoothing=0.5", "credit.settings.lambda=0.1")
GDPO = ("credit.rule=gdpo", "credit.settings.dimensions={verdict = 1.0, brevity = 0.5}")
NAN = math.nan


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def _batch(rewards, correct=None, kinds=None, ids=None, **parts):
    """NaN is unscored."""
    values = torch.tensor(rewards, dtype=torch.float64)
    rows = len(rewards)
    return Batch(
        rewards=values,
        correct=torch.tensor(correct or [False] * rows),
        scored=~values.isnan(),
        group_ids=torch.tensor(ids or [0] * rows),
        lengths=torch.ones(rows, dtype=torch.int64),
        surprisal=torch.ones(rows, dtype=torch.float64),
        task_types=kinds or ["t"] * rows,
        parts={name: torch.tensor(part, dtype=torch.float64) for name, part in parts.items()},
    )


def test_the_threshold_follows_each_task_type_and_leaves_unscored_rollouts_out(configure):
    assembly = assemble(configure(*EMA))
    first = _batch([0.2, 0.4, 0.9, NAN], kinds=["a", "a", "b", "b"], ids=[0, 0, 1, 1])
    credit, metrics = assembly.credit(first)
    taus = {name: value.mean for name, value in metrics.items() if name.startswith("tau/")}
    assert taus == {"tau/a": pytest.approx(0.3), "tau/b": pytest.approx(0.9)}
    # (0.4 - 0.3) / 0.7 at lambda 0.1 and (0.3 - 0.2) / 0.3
    assert credit.plus.tolist() == pytest.approx([0.0, 0.1 / 7, 0.0, 0.0], abs=1e-7)
    assert credit.minus.tolist() == pytest.approx([1 / 3, 0.0, 0.0, 0.0], abs=1e-7)
    _, metrics = assembly.credit(_batch([1.0, 0.0], kinds=["a", "a"]))
    assert metrics["tau/a"].mean == pytest.approx(0.3)  # the steps before alone
    _, metrics = assembly.credit(_batch([1.0, 0.0], kinds=["a", "a"]))
    assert metrics["tau/a"].mean == pytest.approx(0.4)  # 0.5 * 0.3 + 0.5 * 0.5


def test_the_mean_is_that_of_all_processes(configure):
    other = {"t": Sum(total=0.9, count=1), "u": Sum(total=0.2, count=2)}
    world = SimpleNamespace(rank=0, size=2, gather=lambda own: [*own, other] if "t" in own[0] else own)
    credit = assemble(configure(*EMA)).credit
    batch = _batch([0.1, 0.2])
    statistics = group_statistics(batch.correct, batch.scored, batch.group_ids, batch.rewards)
    metrics = credit.rule.advantages(batch, statistics, world).metrics
    # (0.1 + 0.2 + 0.9) / 3, and a type that this process has not drawn
    assert {n: v.mean for n, v in metrics.items()} == {"tau/t": pytest.approx(0.4), "tau/u": pytest.approx(0.1)}


def test_a_run_at_a_moving_threshold_resumes_bit_exactly(configure):
    whole = RunDirectory.create(configure(*EMA, name="whole"))
    one = train(whole).checkpoint
    parts = RunDirectory.create(configure(*EMA, "learner.steps=2", name="parts"))
    train(parts)
    other = train(RunDirectory.open(parts.path, ["learner.steps=4"])).checkpoint
    weights = [load_file(checkpoint.policy / "model.safetensors") for checkpoint in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert one.state()["threshold"] == other.state()["threshold"] and one.state()["threshold"]["means"]["countdown"] > 0
    pick = lambda run: [(r["tau/countdown"], r["reward"], r["plus"], r["minus"]) for r in _metrics(run)]  # noqa: E731
    assert pick(whole) == pick(parts)
    records = _metrics(whole)
    rewards = [record["reward"] for record in records]
    expected = rewards[0]
    for record, reward in zip(records, rewards, strict=True):
        assert record["tau/countdown"] == pytest.approx(max(expected, 0.05), abs=1e-12)
        expected = 0.5 * expected + 0.5 * reward


def test_gdpo_reads_the_parts_of_a_step(configure):
    assembly = assemble(configure("credit.rule=gdpo", "credit.settings.dimensions={value = 1.0, unit = 1.0}"))
    batch = _batch(
        [-1, -1, 1, NAN], correct=[False, False, True, False], value=[1.0, 0.0, 1.0, NAN], unit=[0.0, NAN, 1.0, NAN]
    )
    credit, metrics = assembly.credit(batch)
    # value: mean 2/3, squares 2/3, std sqrt(1/3): 1/sqrt(3), -2/sqrt(3), 1/sqrt(3); unit: -+sqrt(1/2). Then over their own std.
    raw = torch.tensor([3**-0.5 - 0.5**0.5, -2 * 3**-0.5, 3**-0.5 + 0.5**0.5], dtype=torch.float64)
    expected = raw / ((raw**2).sum() / 2).sqrt()
    assert credit.advantages[:3].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert not credit.nonzero[3]
    assert {n: (v.total, v.count) for n, v in metrics.items() if n.startswith("active/")} == {
        "active/value": (3.0, 3.0),
        "active/unit": (2.0, 3.0),
    }
    with pytest.raises(
        DataError, match=r"called right and has none of the dimensions value, unit \(the step's parts: other\)"
    ):
        assembly.credit(_batch([1.0], correct=[True], other=[1.0]))


def test_a_run_with_gdpo_trains_on_its_dimensions(configure):
    run = RunDirectory.create(configure(*GDPO, "learner.steps=2", "loss.denominator=tokens_all"))
    train(run)
    for record in _metrics(run):
        assert 0 < record["active/brevity"] <= 1 and record["polarity_share_rows"] == pytest.approx(0.5, abs=1e-5)
        assert record["optimiser_steps"] > 0


def test_without_an_answer_every_part_is_zero_and_after_abstaining_there_is_none(configure):
    from counterpoise.pipeline import graded_parts
    from counterpoise.rewards.binary import binary
    from counterpoise.types import Verdict, VerdictValue

    def verdict(value, **parts):
        return Verdict(value=value, answer=None, basis="r/r", seconds=0.0, verifier="v", version="1", parts=parts)

    verdicts = [
        verdict(VerdictValue.CORRECT, f1=1.0, brevity=0.5),
        verdict(VerdictValue.WRONG, brevity=0.25),
        verdict(VerdictValue.NO_ANSWER, brevity=0.75),
        verdict(VerdictValue.ABSTAINED, brevity=0.75),
        verdict(VerdictValue.UNSCORED, brevity=0.5),
    ]
    found = graded_parts(verdicts, [binary(one) for one in verdicts])
    shown = {name: ["nan" if math.isnan(x) else x for x in values.tolist()] for name, values in found.items()}
    assert shown == {
        "brevity": [0.5, 0.25, 0.0, "nan", "nan"],
        "f1": [1.0, "nan", 0.0, "nan", "nan"],
        "verdict": [1.0, 0.0, 0.0, "nan", "nan"],
    }


def _resumed(configure, *settings):
    """The metrics of a run of four steps in one piece and in two, and both last states."""
    whole = RunDirectory.create(configure(*settings, name="whole"))
    one = train(whole).checkpoint
    parts = RunDirectory.create(configure(*settings, "learner.steps=2", name="parts"))
    train(parts)
    other = train(RunDirectory.open(parts.path, ["learner.steps=4"])).checkpoint
    weights = [load_file(checkpoint.policy / "model.safetensors") for checkpoint in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    return _metrics(whole), _metrics(parts), one.state(), other.state()


def test_a_run_under_a_moving_prior_resumes_bit_exactly(configure):
    whole, parts, one, other = _resumed(configure, "credit.rule=area", "credit.settings.a=0.5")
    assert one["prior"] == other["prior"] and one["prior"]["counts"]["countdown"]
    pick = lambda run: [(r["prior_mean/countdown"], r["prior_strength/countdown"], r["minus"]) for r in run]  # noqa: E731
    assert pick(whole) == pick(parts)
    # the first step has the prior as set: 0.5 / 1.5
    assert whole[0]["prior_mean/countdown"] == pytest.approx(1 / 3) != whole[1]["prior_mean/countdown"]


def test_the_counts_of_the_prior_are_those_of_all_processes(configure):
    other = {"t": {(2, 1): 3.0}, "u": {(4, 0): 1.0}}
    world = SimpleNamespace(rank=0, size=2, gather=lambda own: [*own, other])
    credit = assemble(configure("credit.rule=area")).credit
    batch = _batch([1.0, -1.0, NAN, 1.0], correct=[True, False, False, True], ids=[0, 0, 0, 1])
    statistics = group_statistics(batch.correct, batch.scored, batch.group_ids, batch.rewards)
    credit.rule.advantages(batch, statistics, world)
    # group 0: two scored, one right; group 1: one of one; and the other process's
    counts = credit.rule.states["prior"].state_dict()["counts"]
    assert counts == {"t": [[1, 1, 1.0], [2, 1, 4.0]], "u": [[4, 0, 1.0]]}


def test_a_fading_run_resumes_bit_exactly(configure):
    whole, parts, one, other = _resumed(configure, "credit.rule=fade", "credit.settings.smoothing=0.5")
    assert one["averages"] == other["averages"] and one["averages"]["first"] > 0
    pick = lambda run: [(r["fade_alpha"], r["fade_delta"], r["plus"], r["minus"]) for r in run]  # noqa: E731
    assert pick(whole) == pick(parts)


def test_a_placebo_is_what_credit_reads_and_not_what_a_run_reports(configure):
    placebo = ("credit.reward=random", "credit.reward_settings.probability=1.0")
    whole, parts, *_ = _resumed(configure, "credit.rule=nsr", *placebo)
    # every coin is right: NSR has nothing to push down, whatever the verifier said
    assert [record["minus"] for record in whole] == [0.0] * 4
    assert all(record["success_rate"] < 0.5 and record["reward"] == 1.0 for record in whole)
    assert all(record["optimiser_steps"] == 0 for record in whole)
    whole, parts, *_ = _resumed(
        lambda *overrides, name: configure(*overrides, name=f"even-{name}"),
        "credit.rule=grpo",
        "credit.reward=random",
        "credit.reward_settings.probability=0.5",
    )
    pick = lambda run: [(r["reward"], r["plus"], r["success_rate"]) for r in run]  # noqa: E731
    assert pick(whole) == pick(parts)
    assert all(record["plus"] > 0 and record["wrong_pushed_up"] > 0 for record in whole)

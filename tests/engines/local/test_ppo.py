"""Rule `ppo` in a run: what it equals where it can be known, what it leaves alone, and that it resumes."""

import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from counterpoise.engines.local import ppo
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.policy import load_policy
from counterpoise.errors import CheckpointError, ConfigError, UsageError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch, Rollout, StopReason

PPO = ("credit.rule=ppo", "critic.learning_rate=1e-3")


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def _trained(configure, *settings, name):
    run = RunDirectory.create(configure(*settings, name=name))
    step = train(run).checkpoint
    return run, load_file(step.policy / "model.safetensors"), step.state()


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_with_values_of_0_and_without_whitening_it_is_reinforce_bit_for_bit(configure):
    never = ("credit.rule=ppo", "critic.learning_rate=0", "credit.settings.whiten=false")
    one, ours, _ = _trained(configure, *never, name="ppo")
    two, theirs, _ = _trained(configure, "credit.rule=reinforce", name="reinforce")
    assert _equal(ours, theirs)
    for mine, other in zip(_metrics(one), _metrics(two), strict=True):
        clocks = {name for name in other if name.startswith(("seconds", "tokens_per", "peak", "time"))}
        assert {name: mine[name] for name in other if name not in clocks} == {
            name: value for name, value in other.items() if name not in clocks
        }
        assert mine["value_mean"] == 0 and mine["value_loss"] == pytest.approx(0.5)
        assert mine["advantage_mean"] == mine["return_mean"]


@pytest.mark.parametrize(
    "extra",
    [
        ["critic.epochs=2", "credit.settings.kl=0.01", "credit.settings.lam=0.9"],
        ["critic.trunk=policy", "critic.warmup_steps=3", "credit.settings.bootstrap=true"],
        ["model.lora.rank=2", "credit.settings.kl=0.01"],
    ],
)
def test_resume_is_bit_exact(configure, extra):
    whole = RunDirectory.create(configure(*PPO, *extra, name="whole"))
    one = train(whole).checkpoint
    parts = RunDirectory.create(configure(*PPO, *extra, "learner.steps=2", name="parts"))
    train(parts)
    other = train(RunDirectory.open(parts.path, ["learner.steps=4"])).checkpoint
    (file,) = (path.name for path in one.policy.glob("*model.safetensors"))
    assert _equal(load_file(one.policy / file), load_file(other.policy / file))
    critics = [checkpoint.state()["critic"] for checkpoint in (one, other)]
    assert all(torch.equal(a, b) for a, b in zip(*(critic["parameters"] for critic in critics), strict=True))
    assert critics[0]["batches"] == critics[1]["batches"] == 4
    pick = lambda run: [(r["value_loss"], r["explained_variance"], r["plus"]) for r in _metrics(run)]  # noqa: E731
    assert pick(whole) == pick(parts)


def test_what_is_measured_fits_together(configure):
    run, _, _ = _trained(
        configure, *PPO, "credit.settings.kl=0.01", "learner.learning_rate=1e-2", "tasks.settings.largest=4", name="run"
    )
    records = _metrics(run)
    # the first values are all 0: they explain nothing, and the policy is still the reference
    assert (records[0]["value_mean"], records[0]["explained_variance"]) == (0.0, 0.0)
    assert records[0]["kl_reward"] == pytest.approx(0, abs=1e-5)
    assert abs(records[-1]["kl_reward"]) > 1e-4 and records[-1]["value_mean"] != 0
    for record in records:
        assert record["value_loss"] >= 0 and record["value_gradient_norm"] > 0
        assert record["advantage_mean"] == pytest.approx(record["return_mean"] - record["value_mean"], abs=1e-6)
        # whitened advantages add up to 0 over tokens, so both signs weigh the same
        assert record["polarity_share_tokens"] == pytest.approx(0.5, abs=1e-5)
        assert 0 < record["seconds_critic"] <= record["seconds_credit"]


def test_during_the_warm_up_the_critic_learns_and_the_policy_stands_still(configure):
    settings = (*PPO, "critic.warmup_steps=2", "checkpoint.every_steps=1", "checkpoint.keep=9")
    run, _, _ = _trained(configure, *settings, name="run")
    records = _metrics(run)
    assert [record["optimiser_steps"] > 0 for record in records] == [False, False, True, True]
    assert all(record["value_gradient_norm"] > 0 for record in records)
    weights = [load_file(run.checkpoints / f"step-{step:06d}/policy/model.safetensors") for step in (1, 2, 3)]
    assert _equal(weights[0], weights[1]) and not _equal(weights[1], weights[2])


def test_of_other_rules_nothing_is_built(configure, monkeypatch):
    monkeypatch.setattr(ppo, "Critic", lambda *_, **__: pytest.fail("a critic was built"))
    run, _, state = _trained(configure, "credit.rule=nsr", "learner.steps=1", name="run")
    assert "critic" not in state
    assert not any("value" in name or "critic" in name or "advantage" in name for name in _metrics(run)[0])


def _rollout(length, seed, *, stop=StopReason.EOS):
    draw = np.random.default_rng(seed)
    return Rollout(
        problem_id="p",
        prompt_ids=draw.integers(4, 10, 3),
        token_ids=draw.integers(4, 10, length),
        mask=np.ones(length, dtype=np.bool_),
        log_probs=np.full(length, -1.0, dtype=np.float32),
        text="",
        temperature=1.0,
        stop_reason=stop,
        policy_version=0,
    )


def _batch(lengths, verdicts, stops=None):
    """`+` correct, `-` wrong, `?` unscored."""
    rollouts = [
        _rollout(length, seed, stop=stop)
        for seed, (length, stop) in enumerate(zip(lengths, stops or [StopReason.EOS] * len(lengths), strict=True))
    ]
    return Batch(
        rewards=torch.tensor([{"+": 1.0, "-": -1.0, "?": float("nan")}[v] for v in verdicts], dtype=torch.float64),
        correct=torch.tensor([v == "+" for v in verdicts]),
        scored=torch.tensor([v != "?" for v in verdicts]),
        group_ids=torch.zeros(len(verdicts), dtype=torch.int64),
        lengths=torch.tensor(lengths),
        surprisal=torch.tensor(lengths, dtype=torch.float64),
        task_types=["t"] * len(verdicts),
        rollouts=rollouts,
    )


@pytest.fixture
def assembled(configure):
    def make(*settings):
        config = configure(*PPO, "learner.minibatch=none", *settings)
        assembly = assemble(config)
        assembly.critic.build(load_policy(config.model), Accelerator())
        return assembly

    return make


def test_unscored_rollouts_have_no_credit_and_leave_whitening_and_the_critic(assembled):
    with_one, without = assembled(), assembled()
    batch = _batch([3, 2, 4, 2], "+-?-")
    kept = torch.tensor([0, 1, 3])
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    scored = Batch(
        **{
            name: value[kept] if isinstance(value, torch.Tensor) else [value[i] for i in kept]
            for name, value in fields.items()
            if name != "parts"
        }
    )
    for _ in range(2):
        credit, metrics = with_one.credit(batch)
        alone, expected = without.credit(scored)
        assert not credit.nonzero[2].any()
        torch.testing.assert_close(credit.advantages[kept][:, :3], alone.advantages, rtol=1e-4, atol=1e-5)
        for name in ("value_mean", "return_mean", "advantage_std", "value_loss"):
            assert metrics[name].mean == pytest.approx(expected[name].mean, rel=1e-4, abs=1e-6), name
            assert metrics[name].count == expected[name].count
    # first batch: tokens 3 x +1 and 4 x -1: mean -1/7, squares 7 - 1/7, so std_1 = sqrt((48/7) / 6) = 1.0690
    first, _ = assembled().credit(batch)
    assert first.plus[0, 0].item() == pytest.approx((1 + 1 / 7) / 1.0690450, rel=1e-5)
    assert first.minus[1, 0].item() == pytest.approx((1 - 1 / 7) / 1.0690450, rel=1e-5)
    assert not first.nonzero[1, 2:].any()


def test_the_signs_are_disjoint_and_lambdas_weigh_them(assembled):
    settings = "credit.controller_settings={lambda_plus=0.5, lambda_minus=2.0}"
    plain, weighed = assembled(), assembled(settings)
    batch = _batch([3, 2, 4, 2], "+-+-")
    for _ in range(2):
        one, two = plain.credit(batch)[0], weighed.credit(batch)[0]
        assert one.plus.shape == (4, 4)
        assert not (one.plus * one.minus).any() and (one.plus >= 0).all() and (one.minus >= 0).all()
        torch.testing.assert_close(two.plus, one.plus * 0.5)
        torch.testing.assert_close(two.minus, one.minus * 2.0)


def test_bootstrapping_adds_the_value_after_a_cut_response_and_nothing_to_a_whole_one(assembled):
    stops = [StopReason.LENGTH, StopReason.EOS]
    batch = _batch([3, 3], "-+", stops)
    plain, further = (
        assembled("credit.settings.whiten=false", f"credit.settings.bootstrap={word}") for word in ("false", "true")
    )
    first = [assembly.credit(batch)[0] for assembly in (plain, further)]
    assert torch.equal(first[0].advantages, first[1].advantages)  # values start at 0
    after = further.critic._critic.values(batch.rollouts, after_truncated=True).after
    assert after[0] != 0 and after[1] == 0
    difference = further.credit(batch)[0].advantages - plain.credit(batch)[0].advantages
    torch.testing.assert_close(difference, after[:, None].expand(2, 3), rtol=1e-3, atol=1e-6)


def test_mistakes_are_refused_with_the_way_out(configure):
    with pytest.raises(ConfigError, match=r"the section critic is set and credit\.rule=nsr has no critic; drop the"):
        assemble(configure("credit.rule=nsr", "critic.learning_rate=1e-4"))
    with pytest.raises(ConfigError, match=r"credit\.rule ppo: lam = 2; expected a number in \[0, 1\]"):
        assemble(configure("credit.rule=ppo", "credit.settings.lam=2"))
    unbuilt = assemble(configure("credit.rule=ppo"))
    with pytest.raises(UsageError, match=r"credit\.rule=ppo credits tokens by the values of a critic"):
        unbuilt.credit(_batch([2], "+"))
    with pytest.raises(CheckpointError, match="the checkpoint holds no critic"):
        unbuilt.critic.load_state_dict(None)

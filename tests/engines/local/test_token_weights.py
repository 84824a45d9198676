"""Token weights in a run: every variant trains with every loss, what is measured, and that a run resumes bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from counterpoise.credit import TOKEN_WEIGHTS
from counterpoise.engines.local.assemble import assemble, make_pipeline, make_sampler
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.policy import load_policy
from counterpoise.errors import ConfigError, UnknownNameError, UsageError
from counterpoise.losses import LOSSES
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch, Rollout, StopReason

WEIGHTS = sorted(set(TOKEN_WEIGHTS) - {"none"})


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def _trained(configure, *settings, name):
    run = RunDirectory.create(configure(*settings, name=name))
    checkpoint = train(run).checkpoint
    return run, load_file(checkpoint.policy / "model.safetensors")


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("filter_name", ["zero_credit", "none"])
def test_an_exponent_of_0_trains_as_none_does_bit_for_bit(configure, filter_name):
    shared = ("credit.rule=reinforce", f"credit.filter={filter_name}")
    zero = ("credit.token_weights=probability", "credit.token_weight_settings.a=0")
    one, ours = _trained(configure, *shared, *zero, name="zero")
    two, theirs = _trained(configure, *shared, name="none")
    assert _equal(ours, theirs)
    assert not any(name.startswith("token_weight") for name in _metrics(two)[0])
    for record in _metrics(one):
        assert record["token_weight_zero_minus"] == record["token_weight_lost"] == 0


@pytest.mark.parametrize("name", ["unlikelihood", "entropy_top", "entropy_safe", "conflict_mask"])
def test_resume_is_bit_exact(configure, name):
    settings = ("credit.rule=reinforce", f"credit.token_weights={name}", "credit.controller=share")
    whole, ours = _trained(configure, *settings, name="whole")
    parts = RunDirectory.create(configure(*settings, "learner.steps=2", name="parts"))
    train(parts)
    other = train(RunDirectory.open(parts.path, ["learner.steps=4"])).checkpoint
    assert _equal(ours, load_file(other.policy / "model.safetensors"))
    for record, again in zip(_metrics(whole), _metrics(parts), strict=True):
        # every response keeps its mass or loses it, so what is left of the credit by tokens is what was not lost
        assert 0 <= record["token_weight_lost"] <= 1 and record["emphasis"] <= 1 + 1e-6
        assert record["token_weight_zero_minus"] == again["token_weight_zero_minus"]


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_takes_weighted_credit(configure, loss):
    settings = (f"loss.name={loss}", "credit.token_weights=unlikelihood", "learner.minibatch=none", "learner.steps=1")
    run, _ = _trained(configure, *settings, "credit.rule=nsr", name=loss)
    (record,) = _metrics(run)
    assert record["gradient_norm"] > 0 and record["minus"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_critic_s_credit_by_token_is_weighed_too(configure, name):
    settings = ("credit.rule=ppo", f"credit.token_weights={name}", "critic.learning_rate=1e-3", "learner.steps=2")
    run, _ = _trained(configure, *settings, name=name)
    # at the first step all values are 0 and all rewards are -1, so that whitening leaves nothing
    for record in _metrics(run)[1:]:
        assert record["token_weight_lost"] < 1 and record["value_gradient_norm"] > 0
        if name in ("probability", "advantage_reweighting", "unlikelihood"):
            # no weight is 0, so whitened credit keeps both masses, which are equal
            assert record["polarity_share_tokens"] == pytest.approx(0.5, abs=1e-5)


def _batch(log_probs, verdicts, tokens=None, **fields):
    """One group of equally long responses; `+` correct, `-` wrong, `?` unscored."""
    rollouts = [
        Rollout(
            problem_id="p",
            prompt_ids=np.array([4]),
            token_ids=np.array(tokens[row] if tokens else [row] * len(values)),
            mask=np.ones(len(values), dtype=np.bool_),
            log_probs=np.array(values, dtype=np.float32),
            text="",
            temperature=1.0,
            stop_reason=StopReason.EOS,
            policy_version=0,
        )
        for row, values in enumerate(log_probs)
    ]
    return Batch(
        rewards=torch.tensor([{"+": 1.0, "-": -1.0, "?": float("nan")}[v] for v in verdicts], dtype=torch.float64),
        correct=torch.tensor([v == "+" for v in verdicts]),
        scored=torch.tensor([v != "?" for v in verdicts]),
        group_ids=torch.zeros(len(verdicts), dtype=torch.int64),
        lengths=torch.tensor([len(values) for values in log_probs]),
        surprisal=torch.tensor([-sum(values) for values in log_probs], dtype=torch.float64),
        task_types=["t"] * len(verdicts),
        rollouts=rollouts,
        **fields,
    )


def test_the_controller_balances_the_masses_that_are_trained_on(configure):
    # the second wrong response lies whole on the right one's path and loses its credit: W- is 2 tokens, not 4
    batch = _batch([[-1.0, -1.0]] * 3, "+--", tokens=[[1, 2], [3, 3], [1, 2]])
    controller = ("credit.controller=share", "credit.rule=reinforce")
    shares = {}
    for name in ("none", "conflict_mask"):
        credit, metrics = assemble(configure(*controller, f"credit.token_weights={name}")).credit(batch)
        shares[name] = metrics["polarity_share_tokens"].mean
        assert credit.plus.ndim == (1 if name == "none" else 2)
    assert metrics["token_weight_lost"].mean == pytest.approx(1 / 3)
    assert (metrics["token_weight_zero_minus"].total, metrics["token_weight_zero_minus"].count) == (2, 4)
    # whatever lambda it takes, the share that it aims at is had by what is left
    assert shares["conflict_mask"] == pytest.approx(shares["none"], abs=1e-6)


def test_a_row_that_lost_its_credit_is_not_trained_on(configure):
    batch = _batch([[-1.0, -1.0]] * 3, "+--", tokens=[[1, 2], [3, 3], [1, 2]])
    settings = ("credit.rule=nsr", "credit.token_weights=conflict_mask")
    for filter_name, trained in (("zero_credit", [False, True, False]), ("none", [False, True, False])):
        assembly = assemble(configure(*settings, f"credit.filter={filter_name}"))
        rows, live = assembly.credit.select(batch, assembly.credit(batch)[0])
        assert rows.tolist() == [0, 1, 2] and live.tolist() == trained


def test_the_sampler_is_asked_for_entropies_only_where_they_are_read(configure):
    for name in sorted(TOKEN_WEIGHTS):
        config = configure(f"credit.token_weights={name}")
        assembly = assemble(config)
        sampler = make_sampler(config, load_policy(config.model), Accelerator())
        settings = make_pipeline(config, assembly, sampler, judge=_NoJudge()).settings
        assert settings.with_entropy == assembly.credit.needs_entropy == (name in ("entropy_top", "entropy_safe"))


class _NoJudge:
    verify = begin = None


@pytest.mark.parametrize("name", ["entropy_top", "entropy_safe"])
def test_rollouts_without_entropies_are_refused_with_a_way_out(configure, name):
    assembly = assemble(configure(f"credit.token_weights={name}"))
    batch = _batch([[-1.0, -2.0]], "-")
    with pytest.raises(UsageError, match=rf"{name} reads the entropy.*SamplingSettings\(with_entropy=True\)"):
        assembly.credit(batch)
    # a part of the batch is no better than nothing
    known = dataclasses.replace(batch.rollouts[0], entropy=np.ones(2, np.float32), entropy_slope=np.ones(2, np.float32))
    assert assembly.credit(dataclasses.replace(batch, rollouts=[known]))[0].plus.shape == (1, 2)
    double = _batch([[-1.0, -2.0]] * 2, "--")
    with pytest.raises(UsageError, match=f"{name} reads the entropy"):
        assembly.credit(dataclasses.replace(double, rollouts=[known, batch.rollouts[0]]))


def test_unknown_names_and_settings_are_refused_before_a_model_is_read(configure):
    with pytest.raises(UnknownNameError, match=r"unknown credit.token_weights 'unlikely'"):
        assemble(configure("credit.token_weights=unlikely"))
    with pytest.raises(ConfigError, match=r"credit.token_weights unlikelihood: cap = -1; expected a number"):
        assemble(configure("credit.token_weights=unlikelihood", "credit.token_weight_settings.cap=-1"))
    with pytest.raises(ConfigError, match=r"credit.token_weights none: unknown setting 'a'"):
        assemble(configure("credit.token_weight_settings.a=1"))

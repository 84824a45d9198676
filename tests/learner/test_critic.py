"""The critic: values where tokens are chosen, gradients by hand, both trunks, state."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoise.errors import CheckpointError, TrainingError
from counterpoise.learner.critic import Critic
from counterpoise.learner.settings import LearnerSettings
from counterpoise.types import LossOutput, StopReason, Sum


def squared(*, values, old_values, returns, mask):
    return LossOutput(
        row_sums=0.5 * (((values - returns) ** 2) * mask).sum(1),
        lengths=mask.sum(1),
        metrics={"rows": Sum(total=float(len(values)), count=1.0)},
    )


def critic(build, policy, *, trunk="separate", loss=squared, **settings):
    return Critic(
        policy,
        trunk=trunk,
        accelerator=build.one_process(),
        settings=LearnerSettings(**{"learning_rate": 1e-2, "weight_decay": 0.0, **settings}),
        loss=loss,
        divide=build.divide,
    )


def fit(one, rollouts, returns, *, scored=None, seed=0, groups=None):
    return one.update(
        rollouts,
        values=one.values(rollouts),
        returns=returns,
        scored=torch.ones(len(rollouts), dtype=torch.bool) if scored is None else scored,
        group_ids=np.arange(len(rollouts)) if groups is None else groups,
        seed=seed,
    )


def moved(one):
    """A critic whose head is not zero."""
    with torch.no_grad():
        one._head.weight.normal_(generator=torch.Generator().manual_seed(1))
        one._head.bias.fill_(0.25)
    return one


def states(policy, row):
    """(T + 1, H) hidden states of an unpadded row: those in which its tokens are chosen, and the one after the last."""
    ids = torch.from_numpy(np.concatenate([row.prompt_ids, row.token_ids]))[None]
    return policy.model(input_ids=ids)[0][0, len(row.prompt_ids) - 1 :]


def test_values_start_at_zero_and_are_the_head_on_the_state_in_which_a_token_is_chosen(build):
    policy, rows = build.llama(), build.ragged(5)
    stream = torch.random.get_rng_state()
    one = critic(build, policy, tokens_per_microbatch=16)
    assert torch.equal(torch.random.get_rng_state(), stream)
    assert not one.values(rows).tokens.any()
    moved(one)
    values = one.values(rows)
    for index, row in enumerate(rows):
        expected = one._head(states(policy, row)).squeeze(1)[:-1].detach()
        torch.testing.assert_close(values.tokens[index, : len(expected)], expected, rtol=1e-5, atol=1e-5)
        assert values.mask[index].sum() == len(expected)
    assert not values.tokens[~values.mask].any() and not values.after.any()


def test_the_value_after_a_response_is_read_only_where_it_was_cut(build):
    policy = build.llama()
    cut = replace(build.rollout(3, 4), stop_reason=StopReason.LENGTH)
    rows = [build.rollout(2, 6, seed=1), cut]
    one = moved(critic(build, policy))
    plain, further = one.values(rows), one.values(rows, after_truncated=True)
    torch.testing.assert_close(plain.tokens, further.tokens)
    assert plain.after.tolist() == [0.0, 0.0]
    expected = one._head(states(policy, cut))[-1, 0].item()
    assert further.after.tolist() == [0.0, pytest.approx(expected, rel=1e-5)]


def test_tokens_that_the_policy_did_not_choose_have_no_value(build):
    row = build.rollout(3, 4)
    gap = replace(row, mask=np.array([True, False, True, True]))
    one = moved(critic(build, build.llama()))
    assert one.values([gap]).mask.tolist() == [[True, False, True, True]]
    kept = one.values([row]).tokens[0] * torch.tensor([1, 0, 1, 1])
    torch.testing.assert_close(one.values([gap]).tokens[0], kept)


def test_the_first_step_of_the_head_is_along_the_gradient_worked_out_by_hand(build):
    policy, rows = build.llama(), [build.rollout(2, 3), build.rollout(3, 2, seed=1)]
    one = critic(build, policy, trunk="policy", gradient_clip=None)
    returns = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 0.0]])
    seen = []
    one._optimiser.step = lambda: seen.append([parameter.grad.clone() for parameter in one._parameters])
    metrics = fit(one, rows, returns)
    # V = 0: dL/dw = -sum_t G_t h_t / tokens, dL/db = -sum_t G_t / tokens, L = sum_t G_t^2 / 2 / tokens
    hidden = torch.cat([states(policy, row)[:-1] for row in rows])
    flat = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    torch.testing.assert_close(seen[0][0][0], -(flat[:, None] * hidden).sum(0) / 5, rtol=1e-4, atol=1e-5)
    assert seen[0][1].item() == pytest.approx(-1 / 5)
    assert metrics["value_loss"].mean == pytest.approx(0.5)
    norm = torch.cat([gradient.flatten() for gradient in seen[0]]).norm().item()
    assert metrics["value_gradient_norm"].mean == pytest.approx(norm)


@pytest.mark.parametrize("trunk", ["separate", "policy"])
def test_it_learns_the_returns_and_leaves_the_policy_alone(build, trunk):
    policy, rows = build.llama(), build.ragged(8)
    before = build.parameters(policy).clone()
    one = critic(build, policy, trunk=trunk, epochs=4)
    mask = one.values(rows).mask
    returns = mask * torch.tensor([1.0, -1.0] * 4)[:, None]
    losses = [fit(one, rows, returns)["value_loss"].mean for _ in range(10)]
    assert losses[-1] < 0.6 * losses[0]
    assert torch.equal(build.parameters(policy), before)
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_a_separate_trunk_is_trained_and_the_policys_is_not_held_twice(build):
    policy, rows = build.llama(), build.ragged(4)
    own, shared = critic(build, policy), critic(build, policy, trunk="policy")
    # the head's weight and bias, and all of the decoder (tied embeddings are one)
    assert len(shared._parameters) == 2
    assert len(own._parameters) == 2 + len(list(policy.model.parameters()))
    start = [parameter.clone() for parameter in own._parameters]
    for _ in range(2):  # the head starts at zero, so the trunk's first gradient is zero
        fit(own, rows, own.values(rows).mask.float())
    assert all(not torch.equal(one, two) for one, two in zip(start, own._parameters, strict=True) if one.ndim > 1)


def test_unscored_rows_teach_nothing_whatever_their_returns(build):
    rows = build.ragged(6)
    scored = torch.tensor([True, False, True, True, False, True])
    kept = [row for row, good in zip(rows, scored.tolist(), strict=True) if good]
    both, alone = critic(build, build.llama()), critic(build, build.llama())
    width = both.values(rows).mask.shape[1]
    returns = torch.full((6, width), torch.nan)
    returns[scored] = 1.0
    fit(both, rows, returns, scored=scored)
    fit(alone, kept, torch.ones(4, alone.values(kept).mask.shape[1]))
    for one, two in zip(both._parameters, alone._parameters, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    assert both.batches == 1
    nothing = fit(both, rows, returns, scored=torch.zeros(6, dtype=torch.bool))
    assert "value_loss" not in nothing


def test_micro_batches_change_nothing_and_mini_batches_hold_whole_groups(build):
    rows, groups = build.ragged(8), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    small, large = (
        critic(build, build.llama(), tokens_per_microbatch=8),
        critic(build, build.llama(), tokens_per_microbatch=4096),
    )
    returns = torch.ones(8, small.values(rows).mask.shape[1])
    for one in (small, large):
        fit(one, rows, returns, groups=groups)
    for one, two in zip(small._parameters, large._parameters, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    dealt = critic(build, build.llama(), minibatch_prompts=1, epochs=2)
    assert fit(dealt, rows, returns, groups=groups)["value_loss"].count == 8


def test_it_goes_on_from_its_state_bit_for_bit(build, tmp_path):
    rows = build.ragged(6)
    whole = critic(build, build.llama(), minibatch_prompts=2)
    returns = torch.ones(6, whole.values(rows).mask.shape[1])
    fit(whole, rows, returns)
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    later = critic(build, build.llama(seed=3), minibatch_prompts=2)
    later.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert later.batches == 1
    for one in (whole, later):
        fit(one, rows, returns, seed=7)
    assert torch.equal(whole.values(rows).tokens, later.values(rows).tokens)
    assert all(torch.equal(a, b) for a, b in zip(whole._parameters, later._parameters, strict=True))


def test_the_state_of_another_critic_is_refused(build):
    one = critic(build, build.llama())
    for other in (critic(build, build.llama(), trunk="policy"), critic(build, build.llama(hidden=8))):
        with pytest.raises(CheckpointError, match=r"the saved critic does not fit this one .*critic\.trunk"):
            one.load_state_dict(other.state_dict())


def test_a_step_that_is_not_finite_is_not_taken(build):
    one = critic(build, build.llama())
    rows = build.ragged(3)
    before = [parameter.clone() for parameter in one._parameters]
    returns = torch.full((3, one.values(rows).mask.shape[1]), torch.inf)
    with pytest.raises(TrainingError, match=r"optimiser step 1 of the critic refused: loss nan.*critic\.learning_rate"):
        fit(one, rows, returns)
    assert all(torch.equal(a, b) for a, b in zip(before, one._parameters, strict=True))


def test_it_reads_the_policys_adapters(build):
    peft = pytest.importorskip("peft")
    policy = peft.get_peft_model(build.llama(), peft.LoraConfig(r=2, target_modules="all-linear"))
    one = critic(build, policy)
    adapters = [p for name, p in policy.named_parameters() if p.requires_grad and "lora" in name]
    assert len(one._parameters) == 2 + len(adapters)
    rows = build.ragged(4)
    for _ in range(2):
        fit(one, rows, one.values(rows).mask.float())
    assert all(not parameter.requires_grad or "lora" in name for name, parameter in one._decoder.named_parameters())


def test_precision_is_the_accelerators_and_values_are_float32(build):
    accelerator = SimpleNamespace(
        **{**vars(build.one_process()), "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16)}
    )
    one = moved(
        Critic(
            build.llama(),
            trunk="separate",
            accelerator=accelerator,
            settings=LearnerSettings(),
            loss=squared,
            divide=build.divide,
        )
    )
    rows = build.ragged(3)
    exact = moved(critic(build, build.llama())).values(rows)
    found = one.values(rows)
    assert found.tokens.dtype == torch.float32
    torch.testing.assert_close(found.tokens, exact.tokens, rtol=0.1, atol=0.1)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_a_policy_that_recomputes_its_activations_has_a_critic_that_does(build):
    rows, ends, passes = build.ragged(4), [], []
    for checkpointing in (False, True):
        policy = build.llama()
        if checkpointing:
            policy.gradient_checkpointing_enable()
        one = moved(critic(build, policy))
        seen = []
        one._decoder.layers[0].mlp.register_forward_pre_hook(lambda *_, seen=seen: seen.append(1))
        fit(one, rows, torch.ones(4, 8))
        passes.append(len(seen))
        ends.append(one.state_dict()["parameters"])
    assert passes == [2, 3]  # values, forward, and again in the backward pass
    for plain, recomputed in zip(*ends, strict=True):
        torch.testing.assert_close(plain, recomputed, rtol=1e-5, atol=1e-6)

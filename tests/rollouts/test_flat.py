from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from counterpoise.rollouts import decoding, factors
from counterpoise.rollouts.decoding import FlatState, inferring, proven
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.factors import Factor
from counterpoise.rollouts.flat import flat_weights
from counterpoise.types import Rollout, SamplingSettings, StopReason

CPU = torch.device("cpu")
COMPILER = shutil.which("g++") or shutil.which("clang++")
WAYS = [
    False,
    pytest.param(
        True, marks=pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here"), id="compiled"
    ),
]
"""With batched products, with compiled operators."""
SETTINGS = SamplingSettings(max_tokens=14)
SHAPES = {
    "one head a key": ("llama", {"num_key_value_heads": 4}),
    "heads in groups": ("llama", {}),
    "tied": ("llama", {"tie_word_embeddings": True}),
    "llama 3's rotation": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 100.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            }
        },
    ),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "a window that holds all": ("mistral", {"sliding_window": 40}),
    "gemma3": ("gemma3", {}),
}


@pytest.fixture
def flat_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each flat step since it was asked for, those of the proof included."""
    seen: list[int] = []
    advance = FlatState.advance

    def counted(self: FlatState, tokens: torch.Tensor) -> torch.Tensor:
        seen.append(len(tokens))
        return advance(self, tokens)

    monkeypatch.setattr(FlatState, "advance", counted)
    return seen


def flat(groups: list[list[Rollout]]) -> list[Rollout]:
    return [rollout for group in groups for rollout in group]


def unequal(model: nn.Module) -> nn.Module:
    """Norms and biases that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rollouts_are_those_of_the_modules(make_model, tokenizer, prompts, flat_steps, shape, compiled) -> None:
    family, changes = SHAPES[shape]
    model = unequal(make_model(family, **changes))
    settings = replace(SETTINGS, temperature=0.8, top_p=0.95, with_entropy=True)
    ends = range(1, 11)
    plain = flat(
        EmbeddedSampler(model, tokenizer, eos_token_ids=ends, flat=False).sample(
            prompts, group_size=4, settings=settings, seed=0
        )
    )
    assert not flat_steps
    ours = flat(
        EmbeddedSampler(model, tokenizer, eos_token_ids=ends, compiled=compiled).sample(
            prompts, group_size=4, settings=settings, seed=0
        )
    )
    assert flat_steps and len(set(flat_steps[3:])) > 1  # rows left early
    for one, other in zip(plain, ours, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist() and one.stop_reason == other.stop_reason
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=5e-5, rtol=0)
        np.testing.assert_allclose(one.entropy, other.entropy, atol=5e-5, rtol=0)


@pytest.mark.parametrize("compiled", WAYS)
def test_tokens_come_as_often_as_the_model_says(make_model, tokenizer, prompts, flat_steps, compiled) -> None:
    model, settings = make_model("qwen3"), SamplingSettings(max_tokens=2)
    groups = EmbeddedSampler(model, tokenizer, eos_token_ids=(), compiled=compiled).sample(
        prompts[:1], group_size=4000, settings=settings, seed=1
    )
    assert flat_steps
    ids = torch.from_numpy(prompts[0].token_ids)[None]
    with torch.no_grad():
        first = model(ids).logits[0, -1].softmax(-1)
        after = torch.cat([ids.expand(len(first), -1), torch.arange(len(first))[:, None]], 1)
        second = first @ model(after).logits[:, -1].softmax(-1)  # marginal of the second token
    counts = Counter(int(rollout.token_ids[1]) for rollout in groups[0])
    drawn = np.array([counts[token] for token in range(len(second))])
    expected = 4000 * second.double().numpy()
    assert stats.chisquare(drawn, expected * drawn.sum() / expected.sum()).pvalue > 0.001


def test_the_weights_of_a_call_are_those_of_its_time(make_model, tokenizer, prompts, flat_steps) -> None:
    model = make_model("llama")
    ours, plain = EmbeddedSampler(model, tokenizer), EmbeddedSampler(model, tokenizer, flat=False)
    ours.sample(prompts, group_size=2, settings=SETTINGS, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    one, other = (flat(s.sample(prompts, group_size=2, settings=SETTINGS, seed=0)) for s in (ours, plain))
    assert flat_steps
    for mine, its in zip(one, other, strict=True):
        assert mine.token_ids.tolist() == its.token_ids.tolist()
        np.testing.assert_allclose(mine.log_probs, its.log_probs, atol=5e-5, rtol=0)


def test_one_row_of_one_token(make_model, tokenizer, prompts, flat_steps) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer, eos_token_ids=())
    [[rollout]] = sampler.sample(prompts[:1], group_size=1, settings=SamplingSettings(max_tokens=1), seed=0)
    assert len(rollout.token_ids) == 1 and rollout.stop_reason is StopReason.LENGTH
    [[longer]] = sampler.sample(prompts[:1], group_size=1, settings=SamplingSettings(max_tokens=5), seed=0)
    assert len(longer.token_ids) == 5 and longer.token_ids[0] == rollout.token_ids[0]
    assert flat_steps[3:] == [1, 1, 1, 1]  # none for the first token, which the prompt's pass predicts


def test_every_row_ends_at_its_first_token(make_model, tokenizer, prompts, flat_steps) -> None:
    model = make_model("llama")
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=range(model.config.vocab_size))
    groups = sampler.sample(prompts, group_size=3, settings=SETTINGS, seed=0)
    assert {(len(rollout.token_ids), rollout.stop_reason) for rollout in flat(groups)} == {(1, StopReason.EOS)}
    assert len(flat_steps) == 3  # the proof alone


def test_responses_end_at_the_last_position(make_model, tokenizer, make_prompt, flat_steps) -> None:
    model = make_model("llama")
    prompts = [make_prompt("long", [5] * 58), make_prompt("short", [6] * 3)]
    both = [
        EmbeddedSampler(model, tokenizer, eos_token_ids=(), flat=way).sample(
            prompts, group_size=2, settings=SamplingSettings(max_tokens=20), seed=0
        )
        for way in (True, False)
    ]
    assert flat_steps
    assert [[len(r.token_ids) for r in group] for group in both[0]] == [[6, 6], [20, 20]]
    for one, other in zip(flat(both[0]), flat(both[1]), strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()


def test_rows_longer_than_a_window_take_the_modules(make_model, tokenizer, prompts, flat_steps) -> None:
    sampler = EmbeddedSampler(make_model("gemma3", sliding_window=16), tokenizer, eos_token_ids=())
    sampler.sample(prompts[:1], group_size=2, settings=SamplingSettings(max_tokens=13), seed=0)  # 3 + 13
    assert len(flat_steps) == 3 + 12
    sampler.sample(prompts[:1], group_size=2, settings=SamplingSettings(max_tokens=14), seed=0)
    assert len(flat_steps) == 3 + 12


class _Louder(nn.Linear):
    pass


def _subclassed(model: nn.Module) -> None:
    model.model.layers[1].mlp.down_proj.__class__ = _Louder


def _hooked(model: nn.Module) -> None:
    model.model.layers[0].register_forward_hook(lambda module, inputs, output: output * 2)


def _replaced(model: nn.Module) -> None:
    own = model.model.norm
    own.forward = lambda x: x


def _doubled(model: nn.Module) -> None:
    model.model.layers[0].self_attn.scaling *= 2  # noticed, and followed


@pytest.mark.parametrize("change", [_subclassed, _hooked, _replaced])
def test_a_model_that_is_more_than_its_family_is_not_fused(make_model, change) -> None:
    model = make_model("llama")
    assert flat_weights(model) is not None
    change(model)
    assert flat_weights(model) is None


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gpt2", {}),
        ("mistral", {}),  # the window holds less than the proof
        ("llama", {"dtype": torch.bfloat16}),
        ("llama", {"mlp_bias": True}),
        ("llama", {"attention_bias": True}),  # one of them behind attention, where it is zero at first
        ("llama", {"hidden_act": "relu"}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 100.0}}),
        ("gemma3", {"final_logit_softcapping": 30.0}),
    ],
)
def test_other_models_are_not_proven(make_model, family, changes) -> None:
    changes = dict(changes)
    dtype = changes.pop("dtype", torch.float32)
    model = make_model(family, **changes).to(dtype)
    with inferring(model):
        assert not proven(model, CPU)


def test_the_proof_sees_a_difference(make_model, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("llama")
    with inferring(model):
        assert proven(model, CPU)
        _doubled(model)
        assert proven(model, CPU)
        model.model.layers[1].input_layernorm.variance_epsilon = 1.0  # no part of the configuration
        assert not proven(model, CPU)


def test_adapters_and_autocast_take_the_modules(make_model) -> None:
    from peft import LoraConfig, get_peft_model

    model = make_model("llama")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert flat_weights(model) is None
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    assert flat_weights(adapted) is None and flat_weights(model) is None


@pytest.mark.parametrize("compiled", WAYS)
def test_weights_that_are_not_finite_are_named(make_model, tokenizer, prompts, compiled) -> None:
    from counterpoise.errors import TrainingError

    model = make_model("llama")
    sampler = EmbeddedSampler(model, tokenizer, compiled=compiled)
    sampler.sample(prompts, group_size=1, settings=SETTINGS, seed=0)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = torch.inf
    with pytest.raises(TrainingError, match="logits that are not finite"):
        sampler.sample(prompts, group_size=1, settings=SETTINGS, seed=0)


def test_a_model_too_large_to_be_copied_is_not(make_model, monkeypatch: pytest.MonkeyPatch) -> None:
    from counterpoise.rollouts import flat as module

    monkeypatch.setattr(module, "_LARGEST", 1000)
    assert flat_weights(make_model("llama")) is None
    assert decoding.proven(make_model("llama"), CPU) is None


@pytest.mark.parametrize("compiled", WAYS)
def test_rows_leave_prompts_unequally_and_prompts_leave(make_model, compiled) -> None:
    model = make_model("llama")
    prompts = [np.arange(size, dtype=np.int64) for size in (4, 2, 3, 1)]
    with inferring(model):
        weights = flat_weights(model, compiled=compiled)
        assert weights is not None and (weights.operators is not None) == compiled
        batch = decoding.prefill(model, prompts, CPU)
        ours = FlatState(weights, batch, 3, 8, None)
        plain = decoding._State(batch, 3, 8, None)
        tokens = torch.arange(12)
        # before anything is said; unequal; the second prompt goes; equal again; one row
        for index in ([0, 1, 2, 4, 6, 7, 8, 9, 10, 11], [0, 2, 3, 4, 5, 7, 9], [0, 1, 3, 4, 6], [0, 2, 4], [1]):
            rows = torch.tensor(index)
            tokens = tokens[rows]
            ours.keep(rows)
            plain.keep(rows)
            torch.testing.assert_close(ours.advance(tokens), plain.advance(tokens), atol=2e-5, rtol=1e-4)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("family", ["qwen2", "gemma3"])
def test_packed_weights_give_the_same(make_model, tokenizer, prompts, flat_steps, monkeypatch, family) -> None:
    monkeypatch.setattr(factors, "_LARGE", 1)
    model = unequal(make_model(family))
    assert Factor(torch.ones(2, 3), twice=False)._plain is None
    ours, plain = (
        flat(EmbeddedSampler(model, tokenizer, flat=way).sample(prompts, group_size=4, settings=SETTINGS, seed=0))
        for way in (True, False)
    )
    assert flat_steps
    for one, other in zip(ours, plain, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=5e-5, rtol=0)


def test_small_weights_are_packed_for_many_rows_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "_WIDE", True)
    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(rows, 24, generator=generator) for rows in (16, 128))
    for twice in (True, False):
        factor = Factor(weight, twice=twice)
        for rows, packed in ((127, False), (128, twice), (5, twice)):  # few rows take the plain form again
            torch.testing.assert_close(factor.times(x[:rows]), x[:rows] @ weight.t(), atol=1e-5, rtol=1e-5)
            assert (factor._packed is not None) == packed
    assert torch.equal(factor.times(x[:5]), x[:5] @ weight.t())


def test_rollouts_of_many_rows_are_those_of_few(make_model, tokenizer, prompts, flat_steps, monkeypatch) -> None:
    model, settings = make_model("llama"), replace(SETTINGS, stop=("ab",), with_entropy=True)
    monkeypatch.setattr(factors, "_ROWS", 16)
    monkeypatch.setattr(factors, "_BLOCK", 8)
    found = []
    for wide in (True, False):
        monkeypatch.setattr(factors, "_WIDE", wide)
        flat_steps.clear()
        told: list[tuple[int, int]] = []
        sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=range(1, 5), compiled=False)
        groups = sampler.sample_telling(
            prompts, group_size=8, settings=settings, seed=0, ended=lambda places, _, told=told: told.extend(places)
        )
        assert sorted(told) == [(prompt, number) for prompt in range(5) for number in range(8)]
        sizes = {rows for rows in flat_steps if rows >= 16}
        assert all(rows % 8 == 0 for rows in sizes) == wide and len(sizes) > 1
        found.append(flat(groups))
    for one, other in zip(*found, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist() and one.stop_reason == other.stop_reason
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=5e-5, rtol=0)
        np.testing.assert_allclose(one.entropy, other.entropy, atol=5e-5, rtol=0)

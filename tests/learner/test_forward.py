from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    OPTConfig,
    Qwen3Config,
)

from counterpoise.errors import UsageError
from counterpoise.learner.forward import find_route, response_log_probs
from counterpoise.learner.logprob import statistics_from_hidden

SMALL = {
    "vocab_size": 23,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
OPT = {"word_embed_proj_dim": 16, "ffn_dim": 32, **SMALL}
CONFIGS = {
    "qwen3": (Qwen3Config(**SMALL), True),
    "gpt2": (
        GPT2Config(vocab_size=23, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2),
        True,
    ),
    "gpt_neox": (GPTNeoXConfig(**{**SMALL, "tie_word_embeddings": False}), True),
    "opt": (OPTConfig(**OPT), True),
    "gemma2": (Gemma2Config(**SMALL, final_logit_softcapping=2.0), False),
    "cohere": (CohereConfig(**SMALL, logit_scale=0.25), False),
    "granite": (GraniteConfig(**SMALL, logits_scaling=3.0), False),
}


def _model(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            CONFIGS[name][0], attn_implementation="eager" if name == "opt" else None
        )
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.3)
    return model.eval()


def _gradients(model):
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


def _agree(model, build, rows, **options):
    """Values and gradients of one padded pass against unpadded rows with all their logits."""
    out = response_log_probs(model, rows, temperature=0.8, with_entropy=True, **options)
    weights = torch.linspace(-1, 1, out.mask.numel()).view_as(out.mask) * out.mask
    ((out.log_probs + 0.5 * out.entropy) * weights).sum().backward()
    ours = _gradients(model)
    total = torch.zeros(())
    for index, row in enumerate(rows):
        log_probs, entropy = build.naive(model, row, temperature=0.8)
        assert torch.allclose(out.log_probs[index, : len(log_probs)], log_probs, atol=1e-5)
        assert torch.allclose(out.entropy[index, : len(entropy)], entropy, atol=1e-5)
        total = total + ((log_probs + 0.5 * entropy) * weights[index, : len(log_probs)]).sum()
    total.backward()
    theirs = _gradients(model)
    assert set(ours) == set(theirs)
    for name, gradient in ours.items():
        assert torch.allclose(gradient, theirs[name], atol=1e-5 * max(1.0, theirs[name].abs().max().item())), name
    return out


@pytest.mark.parametrize("tied", [True, False])
def test_llama_agrees_with_whole_logits_tied_embeddings_included(build, tied):
    model = build.llama(tied=tied)
    assert find_route(model).head is model.lm_head
    _agree(model, build, build.ragged(6), chunk_tokens=4)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_architectures_agree_with_their_own_logits(build, name):
    model = _model(name)
    route = find_route(model)
    assert (route.trunk is not None) == CONFIGS[name][1]
    assert route.keeps
    _agree(model, build, build.ragged(4, seed=1))


def test_a_model_that_cannot_leave_logits_out_still_agrees(build):
    model = _model("gemma2")
    _agree(model, build, build.ragged(4), route=replace(find_route(model), keeps=False))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_lora_on_the_trunk_keeps_the_cheap_way_and_on_the_head_gives_it_up(build):
    from peft import LoraConfig, get_peft_model

    for targets, cheap in ((["q_proj", "v_proj"], True), (["q_proj", "lm_head"], False)):
        config = LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False)
        model = get_peft_model(build.llama(tied=False), config).eval()
        assert (find_route(model).trunk is not None) == cheap
        _agree(model, build, build.ragged(4))


def test_log_probs_outside_the_mask_are_zero_and_the_entropy_is_a_number_unless_asked_for(build):
    rows = [replace(build.rollout(2, 3), mask=np.array([True, False, True])), build.rollout(2, 5)]
    out = response_log_probs(build.llama(), rows, temperature=1.0)
    assert out.mask.tolist() == [[True, False, True, False, False], [True] * 5]
    assert not out.log_probs[~out.mask].any() and not out.entropy[~out.mask].any()
    assert out.log_probs.requires_grad and not out.entropy.requires_grad
    assert out.sampler_log_probs[1].tolist() == rows[1].log_probs.tolist()


def test_prompt_tokens_never_reach_the_head(build, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "counterpoise.learner.forward.statistics_from_hidden",
        lambda hidden, *rest, **options: seen.append(len(hidden)) or statistics_from_hidden(hidden, *rest, **options),
    )
    response_log_probs(build.llama(), [build.rollout(30, 2), build.rollout(20, 3)], temperature=1.0)
    assert seen == [5]  # 2 + 3 response tokens of 55


def test_bad_calls_are_refused(build):
    model = build.llama()
    with pytest.raises(UsageError, match="got no rollouts; give at least one"):
        response_log_probs(model, [], temperature=1.0)
    with pytest.raises(UsageError, match=r"temperature is 0\.0; log-probabilities need one above 0"):
        response_log_probs(model, [build.rollout(1, 1)], temperature=0.0)
    with pytest.raises(UsageError, match="Linear holds no transformers model"):
        find_route(nn.Linear(1, 1))

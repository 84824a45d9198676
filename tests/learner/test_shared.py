from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    MistralConfig,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.models.mamba import MambaConfig

from counterpoise.errors import UsageError
from counterpoise.learner import shared, states
from counterpoise.learner.batches import numbered_prompts, row_width, shared_batches, sharing_gain
from counterpoise.learner.forward import evaluating, find_route, response_log_probs
from counterpoise.learner.states import parts_of

SMALL = {
    "vocab_size": 23,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FULL = {
    "qwen2": Qwen2Config(**SMALL),
    "qwen3": Qwen3Config(**SMALL),
    "smollm3": SmolLM3Config(**SMALL),
    "mistral": MistralConfig(**SMALL, sliding_window=None),
    "gemma3": Gemma3TextConfig(**SMALL, sliding_window=32),
    "gpt_neox": GPTNeoXConfig(**{**SMALL, "tie_word_embeddings": False}),
    "gpt2": GPT2Config(vocab_size=23, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2),
    "phi": PhiConfig(**{**SMALL, "num_key_value_heads": 4}),
}
PLAIN = {
    "gemma2 caps its attention": Gemma2Config(**SMALL, attn_logit_softcapping=5.0, sliding_window=64),
    "mamba has none": MambaConfig(vocab_size=23, hidden_size=16, num_hidden_layers=2, state_size=4),
    "a window shorter than the proof": MistralConfig(**SMALL, sliding_window=4),
}


def _model(config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.3)
    return model.eval()


def _group(build, prompt, *responses, seed=0):
    """Rows of one prompt; their tokens differ by seed."""
    first = build.rollout(prompt, 1, seed=seed)
    rows = [build.rollout(prompt, length, seed=seed + 31 * index) for index, length in enumerate(responses)]
    return [replace(row, prompt_ids=first.prompt_ids) for row in rows]


def _gradients(model):
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


def _pass(model, rows, route, **options):
    out = response_log_probs(model, rows, temperature=0.8, with_entropy=True, route=route, **options)
    weights = torch.linspace(-1, 1, out.mask.numel()).view_as(out.mask) * out.mask
    ((out.log_probs + 0.5 * out.entropy) * weights).sum().backward()
    return out.log_probs.detach(), out.entropy.detach(), _gradients(model)


def _agree(model, rows):
    """Shared and plain: log-probabilities within 5e-5, gradients within 1e-5 of their norm."""
    route = find_route(model)
    assert route.window is not None and route.window >= max(map(row_width, rows))
    theirs, ours = _pass(model, rows, route), _pass(model, rows, route, shared=True)
    for index in (0, 1):
        assert torch.allclose(ours[index], theirs[index], rtol=0, atol=5e-5)
    assert ours[2].keys() == theirs[2].keys()
    total = torch.cat([gradient.flatten() for gradient in theirs[2].values()]).norm()
    for name, gradient in ours[2].items():
        assert (gradient - theirs[2][name]).norm() <= 1e-5 * total, name


def _ragged(build):
    """Groups of four, of one, and of two whose responses have one token, in mixed order; prompts of 1 to 9 tokens."""
    rows = [*_group(build, 9, 1, 4, 7, 2), *_group(build, 3, 5, seed=7), *_group(build, 1, 1, 1, seed=9)]
    return [rows[index] for index in (4, 0, 6, 2, 1, 5, 3)]


@pytest.mark.parametrize("name", sorted(FULL))
def test_families_give_the_plain_pass_s_numbers(build, name):
    _agree(_model(FULL[name]), _ragged(build))


@pytest.mark.parametrize("tied", [True, False])
def test_llama_too_tied_or_not(build, tied):
    _agree(build.llama(tied=tied).eval(), _ragged(build))


def test_eager_attention_has_its_numbers_too(build):
    model = build.llama().eval()
    model.set_attn_implementation("eager")
    _agree(model, _ragged(build))
    assert model.config._attn_implementation == "eager"


def test_responses_of_one_token_have_no_queries_of_their_own(build):
    _agree(build.llama().eval(), _group(build, 5, 1, 1, 1))


def test_masked_out_tokens_are_left_out(build):
    rows = _group(build, 4, 3, 5)
    rows[1] = replace(rows[1], mask=np.array([True, False, True, False, True]))
    _agree(build.llama().eval(), rows)


def test_each_row_is_what_it_is_alone(build):
    model, rows = build.llama().eval(), _ragged(build)
    out = response_log_probs(model, rows, temperature=0.8, route=find_route(model), shared=True)
    for index, row in enumerate(rows):
        log_probs, _ = build.naive(model, row, temperature=0.8)
        assert torch.allclose(out.log_probs[index, : len(log_probs)], log_probs, atol=5e-5)


def test_a_changed_prompt_token_changes_its_group_alone(build):
    model = build.llama().eval()
    kept, moved = _group(build, 5, 3, 4), _group(build, 4, 2, 6, seed=3)
    other = moved[0].prompt_ids.copy()
    other[1] = other[1] % 22 + 1
    before, after = (
        response_log_probs(
            model,
            [*kept, *(replace(row, prompt_ids=ids) for row in moved)],
            temperature=1.0,
            route=find_route(model),
            shared=True,
        ).log_probs
        for ids in (moved[0].prompt_ids, other)
    )
    assert torch.equal(before[:2], after[:2]) and (before[2:] - after[2:]).abs().amax(1).min() > 1e-3


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_adapters_share_prompts(build):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    _agree(get_peft_model(build.llama(tied=False), config).eval(), _ragged(build))


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_models_whose_tokens_meet_otherwise_take_the_plain_pass(name):
    assert find_route(_model(PLAIN[name])).window is None


def test_a_model_that_counts_places_by_itself_fails_the_proof(build, monkeypatch):
    model = build.llama().eval()
    trunk = model.get_decoder()
    own = trunk.rotary_emb.forward
    monkeypatch.setattr(
        trunk.rotary_emb, "forward", lambda x, position_ids: own(x, torch.arange(x.shape[1])[None] + 0 * position_ids)
    )
    assert find_route(model).window is None


def test_a_window_bounds_the_rows_that_share(build):
    model = _model(FULL["gemma3"])
    assert find_route(model).window == 32
    short, long = _group(build, 20, 5, 5), _group(build, 20, 5, 14)  # 14: 20 + 14 - 1 = 33
    assert [parts_of(rows, np.arange(2), 100, window=32)[0].shared for rows in (short, long)] == [True, False]


def test_the_switch_and_a_plain_route_share_nothing(build):
    model = build.llama().eval()
    assert find_route(model, share_prompts=False).window is None
    rows = _group(build, 5, 3, 3)
    assert not parts_of(rows, np.arange(2), 100, window=None)[0].shared
    assert parts_of(rows, np.arange(2), 100, window=shared.UNBOUNDED)[0].shared


def test_training_mode_takes_the_plain_pass_for_dropout_and_recomputation_are_there(build, monkeypatch):
    model = build.llama().eval()
    route = find_route(model)
    monkeypatch.setattr(states, "shared_states", lambda *rest: pytest.fail("shared"))
    model.get_decoder().layers[0].train()
    response_log_probs(model, _group(build, 5, 3, 3), temperature=1.0, route=route, shared=True)


def test_a_failing_pass_puts_the_attention_back(build):
    model = build.llama().eval()
    trunk, rows = model.get_decoder(), _group(build, 5, 3, 3)
    layout = shared.shared_layout(rows, states.pad_rows(rows, torch.device("cpu")))
    trunk.layers[1].self_attn.is_causal = False
    with pytest.raises(shared.UnsharedError):
        shared.shared_states(trunk, layout)
    assert model.config._attn_implementation == "sdpa"


def test_the_same_pass_twice_is_the_same_bit_for_bit(build):
    model = build.llama().eval()
    route, rows = find_route(model), _ragged(build)
    one, two = (_pass(model, rows, route, shared=True) for _ in range(2))
    assert torch.equal(one[0], two[0]) and all(torch.equal(one[2][name], two[2][name]) for name in one[2])


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_learner_that_shares_ends_where_one_that_does_not_ends(build, epochs):
    """Reference, old log-probabilities, entropy, two epochs of two mini-batches, budgets that cut a group."""
    rows = [*_group(build, 9, 3, 5, 2, 4), *_group(build, 7, 2, 2, 6, 1, seed=5)]
    ends = []
    for share in (True, False):
        learner = build.learner(
            build.llama(),
            reference=build.llama(seed=1),
            share_prompts=share,
            tokens_per_microbatch=24,
            epochs=epochs,
            minibatch_prompts=1,
            old_log_probs="learner",
            needs_entropy=True,
            needs_reference=True,
            learning_rate=1e-3,
            epsilon=1e-3,
        )
        credit = build.credit(1.0, -1.0, 0.5, 0.0, 1.0, -0.5, 0.0, -1.0)
        learner.update(rows, credit, torch.ones(8, dtype=torch.bool), [0] * 4 + [1] * 4, seed=0)
        ends.append(build.parameters(learner._model))
    assert torch.allclose(*ends, rtol=0, atol=1e-5)
    assert not torch.equal(*ends)  # they are two ways


def test_bf16_autocast_shares_within_its_rounding(build):
    model, rows = build.llama().eval(), _ragged(build)
    route = find_route(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain, ours = (
            response_log_probs(model, rows, temperature=1.0, route=route, shared=way).log_probs for way in (0, 1)
        )
    assert (plain - ours).abs().max() < 0.3 and (plain - ours).abs().mean() < 0.03


def test_the_proof_leaves_gradients_and_modes_alone(build):
    model = build.llama().train()
    find_route(model)
    assert all(module.training for module in model.modules()) and all(p.grad is None for p in model.parameters())
    with evaluating(model):
        assert shared.dropless(model)


def test_an_empty_prompt_is_refused_in_a_shared_pass_too(build):
    model = build.llama().eval()
    row = replace(build.rollout(2, 2), prompt_ids=np.zeros(0, dtype=np.int64))
    with pytest.raises(UsageError, match="empty prompt"):
        response_log_probs(model, [row, row], temperature=1.0, route=find_route(model), shared=True)


def test_gain_is_the_ratio_of_tokens(build):
    # four rows of 10 + 4 (three go through): 52 against 10 + 12 = 22
    assert sharing_gain(_group(build, 10, 4, 4, 4, 4)) == 52 / 22
    assert sharing_gain([build.rollout(3, 2, seed=1), build.rollout(4, 2, seed=2)]) == 1.0


@given(
    st.lists(st.tuples(st.integers(1, 12), st.lists(st.integers(1, 20), min_size=1, max_size=6)), max_size=9), st.data()
)
def test_shared_batches_partition_the_rows_within_both_budgets(build, groups, data):
    rows = [
        row for seed, (prompt, lengths) in enumerate(groups) for row in _group(build, prompt, *lengths, seed=97 * seed)
    ]
    budget = data.draw(st.integers(1, 120))
    batches = shared_batches(rows, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(rows)))
    for batch in batches:
        own = [rows[index] for index in batch]
        number, first = numbered_prompts(own)
        tokens = sum(len(own[row].prompt_ids) for row in first) + sum(len(row.token_ids) - 1 for row in own)
        cells = len(own) * max(map(row_width, own))
        assert len(own) == 1 or (tokens <= budget and cells <= 4 * budget)
        assert len(number) == len(own)

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from counterpoise.errors import ModelError
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.rope import rope_boundary
from counterpoise.types import Problem, Prompt, SamplingSettings

LONG = {"short_factor": [1.0] * 4, "long_factor": [3.0] * 4, "original_max_position_embeddings": 16}
SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "eos_token_id": 2,
}


class Words:
    eos_token_id, all_special_ids = 2, ()

    def batch_decode(self, rows, **_):
        return [str(row) for row in rows]


def phi3():
    torch.manual_seed(1)
    rope = {"rope_type": "longrope", "rope_theta": 1e4, **LONG}
    config = AutoConfig.for_model(
        "phi3",
        max_position_embeddings=128,
        original_max_position_embeddings=16,
        rope_parameters=rope,
        **SIZES,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data *= 5 if parameter.ndim > 1 else 1
    return model


def prompts(*lengths):
    return [
        Prompt(
            problem=Problem(problem_id=f"p{row}", task_type="t", question="q", gold="g", verifier="exact"),
            token_ids=np.arange(3, 3 + length),
            text="",
        )
        for row, length in enumerate(lengths)
    ]


def gap(model, lengths, max_tokens):
    """Largest difference between the recorded log-probabilities and those of one pass over prompt and response."""
    sampler = EmbeddedSampler(model, Words(), eos_token_ids=[])
    groups = sampler.sample(prompts(*lengths), group_size=3, settings=SamplingSettings(max_tokens=max_tokens), seed=0)
    worst = 0.0
    for rollout in (rollout for group in groups for rollout in group):
        ids = torch.tensor(np.concatenate([rollout.prompt_ids, rollout.token_ids]))[None]
        start = len(rollout.prompt_ids) - 1
        with torch.no_grad():
            # without the last token, which the learner does not read either
            table = torch.log_softmax(model(ids[:, :-1], use_cache=False).logits[0], -1)[start:]
        full = table.gather(1, ids[0, start + 1 :, None])[:, 0].numpy()
        worst = max(worst, float(np.abs(full - rollout.log_probs).max()))
    return worst


# 9 + 8 = 17 tokens, of which the last is never read: 16 are. Past the boundary from the first token on is as good as never.
@pytest.mark.parametrize(("lengths", "max_tokens"), [((3,), 14), ((1, 5, 9), 8), ((17, 20), 24)])
def test_rows_on_one_side_of_the_boundary_are_recorded_as_they_are_read(lengths, max_tokens):
    assert gap(phi3(), lengths, max_tokens) < 1e-4


def test_a_row_that_could_cross_the_boundary_is_refused():
    with pytest.raises(ModelError) as caught:
        gap(phi3(), (3,), 24)
    assert str(caught.value) == (
        "'phi3' has 'longrope' rotary embeddings, which change every frequency once a row is longer than 16 tokens, while the keys cached "
        "before keep the old ones: sampler and learner would disagree. The prompt of problem 'p0' has 3 tokens, and with max_tokens=24 "
        "its row can reach 26; lower max_tokens to 14"
    )


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "message"),
    [
        ((3,), 15, "has 3 tokens, and with max_tokens=15 its row can reach 17; lower max_tokens to 14"),
        # the longest row decides for all rows of a batch
        ((3, 17), 4, "problem 'p1' has 17 tokens.*; leave out problems with long prompts"),
        ((16, 17), 1, "leave out problems with long prompts"),
    ],
)
def test_one_token_or_one_prompt_too_many_is_enough(lengths, max_tokens, message):
    with pytest.raises(ModelError, match=message):
        gap(phi3(), lengths, max_tokens)


def test_what_is_refused_would_have_been_wrong(monkeypatch):
    monkeypatch.setattr("counterpoise.rollouts.embedded.check_rope", lambda *_: None)
    assert gap(phi3(), (3,), 24) > 0.1


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_type": "default", "rope_theta": 1e4}, None),
        ({"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}, None),
        ({"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 32}, None),
        ({"rope_type": "longrope", "rope_theta": 1e4, **LONG}, ("longrope", 16)),
        # new frequencies beyond the model's last position, where responses are cut anyway
        ({"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}, ("dynamic", 64)),
    ],
)
def test_which_frequencies_follow_the_length(rope, expected):
    config = AutoConfig.for_model("llama", max_position_embeddings=64, rope_parameters=rope, **SIZES)
    assert rope_boundary(config) == expected


def test_kinds_of_layers_and_older_files_are_read():
    config = AutoConfig.for_model("llama", max_position_embeddings=64, **SIZES)
    config.rope_parameters = {
        "full": {"rope_type": "longrope", "rope_theta": 1e4, **LONG},
        "sliding": {"rope_type": "default", "rope_theta": 1e4},
    }
    assert rope_boundary(config) == ("longrope", 16)
    config.rope_parameters = {"type": "su", "short_factor": [1.0] * 4, "long_factor": [3.0] * 4}
    config.original_max_position_embeddings = 32
    assert rope_boundary(config) == ("su", 32)
    assert rope_boundary(AutoConfig.for_model("gpt2")) is None


def test_dynamic_frequencies_are_sampled_up_to_the_last_position():
    torch.manual_seed(1)
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    config = AutoConfig.for_model("llama", max_position_embeddings=32, rope_parameters=rope, **SIZES)
    model = AutoModelForCausalLM.from_config(config).eval()
    assert gap(model, (3, 20), 64) < 1e-4


def test_a_prompt_is_named_by_its_own_length():
    long = replace(prompts(16)[0], token_ids=np.arange(3, 19))
    with pytest.raises(
        ModelError, match=r"has 16 tokens, and with max_tokens=2 its row can reach 17; lower max_tokens to 1$"
    ):
        EmbeddedSampler(phi3(), Words()).sample([long], group_size=1, settings=SamplingSettings(max_tokens=2), seed=0)

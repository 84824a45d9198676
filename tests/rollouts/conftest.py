"""Tiny random models, a tokenizer whose tokens are letters, prompts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from counterpoise.types import Problem, Prompt

EOS = 1
VOCABULARY = 40
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": EOS,
    "pad_token_id": 0,
    "initializer_range": 0.2,
}


def build_model(family: str, **changes: object) -> PreTrainedModel:
    torch.manual_seed(3)
    if family == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY,
                n_embd=32,
                n_layer=2,
                n_head=4,
                n_positions=64,
                bos_token_id=None,
                eos_token_id=EOS,
                pad_token_id=0,
                initializer_range=0.2,
                **changes,
            )
        )
    elif family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**{**SHAPE, **changes}))
    elif family == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**{**SHAPE, **changes}))
    elif family == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**{**SHAPE, "head_dim": 8, **changes}))
    elif family == "gemma3":
        sizes = {**SHAPE, "head_dim": 8, "sliding_window": 40, "layer_types": ["sliding_attention", "full_attention"]}
        model = Gemma3ForCausalLM(Gemma3TextConfig(**{**sizes, **changes}))
    else:
        model = MistralForCausalLM(MistralConfig(**{**SHAPE, "sliding_window": 5, **changes}))
    return model.eval()


def build_tokenizer() -> PreTrainedTokenizerFast:
    """0 <pad>, 1 <eos>, 2 <unk>, then the letters a, b, c, … one token each."""
    vocabulary = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {chr(ord("a") + i): 3 + i for i in range(VOCABULARY - 3)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def build_prompt(name: str, ids: list[int]) -> Prompt:
    problem = Problem(problem_id=name, task_type="t", question=name, gold="", verifier="v")
    return Prompt(problem=problem, text=name, token_ids=np.array(ids, dtype=np.int64))


@pytest.fixture
def make_model() -> Callable[..., PreTrainedModel]:
    return build_model


@pytest.fixture
def make_prompt() -> Callable[[str, list[int]], Prompt]:
    return build_prompt


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


@pytest.fixture
def prompts() -> list[Prompt]:
    """Five prompts of 3, 9, 5, 5 and 1 tokens."""
    rng = np.random.default_rng(0)
    return [build_prompt(f"p{i}", rng.integers(3, VOCABULARY, size).tolist()) for i, size in enumerate((3, 9, 5, 5, 1))]

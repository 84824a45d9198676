from __future__ import annotations

import itertools
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoise.errors import UsageError
from counterpoise.rollouts import compiled
from counterpoise.rollouts.decoding import inferring
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.flat import flat_weights
from counterpoise.types import SamplingSettings

SETTINGS = SamplingSettings(max_tokens=40)
pytestmark = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler here"
)


def drawn(model, tokenizer, prompts, **ways):
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=(), **ways)
    groups = sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=2)
    return [rollout for group in groups for rollout in group]


def test_responses_of_many_blocks_are_those_of_the_modules(make_model, tokenizer, prompts) -> None:
    model = make_model("llama")
    ours, plain = (drawn(model, tokenizer, prompts, **ways) for ways in ({"compiled": True}, {"flat": False}))
    for one, other in zip(ours, plain, strict=True):
        assert len(one.token_ids) == 40 and one.token_ids.tolist() == other.token_ids.tolist()
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=5e-5, rtol=0)


def test_threads_change_no_bit(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("qwen3")
    alone = drawn(model, tokenizer, prompts, compiled=True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)  # the products stay in one
    shared = drawn(model, tokenizer, prompts, compiled=True)
    for one, other in zip(alone, shared, strict=True):
        assert np.array_equal(one.token_ids, other.token_ids) and np.array_equal(one.log_probs, other.log_probs)


def test_gates_and_norms_are_those_of_torch() -> None:
    operators = compiled._compile(8, 4, 2)
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(5, 48, generator=generator) * 20
    both[0, :6] = torch.tensor([0.0, -0.0, 200.0, -200.0, torch.inf, torch.nan])
    gates, ups = both.chunk(2, 1)
    torch.testing.assert_close(
        operators.gated(both), torch.nn.functional.silu(gates) * ups, atol=1e-6, rtol=1e-6, equal_nan=True
    )
    x, delta = torch.randn(5, 24, generator=generator), torch.randn(5, 24, generator=generator)
    summed = x + delta
    expected = summed / (summed.square().sum(1, keepdim=True) + 0.01).sqrt()
    torch.testing.assert_close(operators.added(x, delta, 0.1), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(x, summed)
    torch.testing.assert_close(operators.added(x, None, 0.1), expected, atol=1e-6, rtol=1e-6)


def test_sizes_that_are_no_whole_vectors_take_batched_products(make_model) -> None:
    for changes, fits in (({}, True), ({"head_dim": 12}, False), ({"intermediate_size": 44}, False)):
        with inferring(model := make_model("llama", **changes)):
            weights = flat_weights(model, compiled=True)
            assert weights is not None and (weights.operators is not None) == fits


def test_a_missing_compiler_is_named(make_model, tokenizer, prompts, monkeypatch) -> None:
    compiled._compile.cache_clear()
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(
        UsageError, match=r"rollout.compiled_decode needs a C\+\+ compiler, and there is no /nowhere/c\+\+ here"
    ):
        drawn(make_model("llama"), tokenizer, prompts, compiled=True)
    assert drawn(make_model("llama"), tokenizer, prompts[:1])  # nobody asks for one otherwise


def test_a_compiler_that_refuses_is_quoted(make_model, monkeypatch, tmp_path) -> None:
    compiled._compile.cache_clear()
    refusing = tmp_path / "c++"
    refusing.write_text(
        f"#!{sys.executable}\nimport sys\nsys.exit('no room for \U0001f600\\nmore')\n", encoding="utf-8"
    )
    refusing.chmod(0o755)
    monkeypatch.setenv("CXX", str(refusing))
    with (
        inferring(model := make_model("llama")),
        pytest.raises(UsageError, match=r"could not compile compiled.cpp \(no room for .*\)"),
    ):
        flat_weights(model, compiled=True)


def test_the_setting_changes_the_way_and_not_the_draws(make_model, tokenizer, prompts) -> None:
    model = make_model("qwen2")
    with_entropy = replace(SETTINGS, with_entropy=True, temperature=0.7)
    one, other = (
        EmbeddedSampler(model, tokenizer, compiled=way).sample(prompts, group_size=2, settings=with_entropy, seed=0)
        for way in (True, False)
    )
    for mine, its in zip(*(itertools.chain(*groups) for groups in (one, other)), strict=True):
        assert mine.token_ids.tolist() == its.token_ids.tolist()
        np.testing.assert_allclose(mine.entropy, its.entropy, atol=5e-5, rtol=0)

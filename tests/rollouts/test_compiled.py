from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoise import compiler
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
    operators = compiled.compiled_operators(8, 4, 2)
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


def test_a_layer_with_a_gate_of_its_own_width_takes_batched_products(make_model) -> None:
    """A gate of 44 was written as one of 48, behind the end of its tensor."""
    model = make_model("llama")
    for name, sizes in (("gate_proj", (32, 44)), ("up_proj", (32, 44)), ("down_proj", (44, 32))):
        setattr(model.model.layers[1].mlp, name, torch.nn.Linear(*sizes, bias=False))
    with inferring(model):
        weights = flat_weights(model, compiled=True)
    assert weights is not None and weights.operators is None


@pytest.fixture
def asked_anew():
    """Nothing is compiled, or refused, before or after."""
    compiler._made.cache_clear()
    yield
    compiler._made.cache_clear()


@pytest.fixture
def broken(monkeypatch, tmp_path, asked_anew):
    """A compiler that does this and leaves a line for each time it is asked."""

    def make(does: str) -> Path:
        program, asked = tmp_path / "c++", tmp_path / "asked"
        program.write_text(f"#!/bin/sh\necho >> {asked}\n{does}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("CXX", str(program))
        return asked

    return make


def test_a_missing_compiler_is_named(make_model, tokenizer, prompts, monkeypatch, asked_anew) -> None:
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(
        UsageError,
        match=r"^rollout.compiled_decode=true needs a C\+\+ compiler, and there is no /nowhere/c\+\+ here; install one, or name one in "
        r"CXX, or set rollout.compiled_decode=auto$",
    ):
        drawn(make_model("llama"), tokenizer, prompts, compiled=True)
    assert drawn(make_model("llama"), tokenizer, prompts[:1], compiled=False)  # nobody asks for one


def test_a_compiler_that_refuses_is_quoted(make_model, broken) -> None:
    broken("printf 'no room for \\360\\237\\230\\200\\nmore' >&2; exit 1")
    with (
        inferring(model := make_model("llama")),
        pytest.raises(UsageError, match=r"could not compile compiled.cpp \(no room for .\)"),
    ):
        flat_weights(model, compiled=True)


@pytest.mark.parametrize(
    ("does", "asked", "why"),
    [
        ("echo no >&2; exit 1", 2, r"could not compile compiled.cpp \(no\); name another compiler in CXX"),
        ("sleep 60 & sleep 60", 1, r"could not compile compiled.cpp \(it was not done after 0 s\)"),
        ('while [ "$1" != -o ]; do shift; done; echo text > "$2"', 1, "cannot be used .*operators.so"),
    ],
    ids=["refuses", "hangs", "makes no library"],
)
def test_with_auto_a_broken_compiler_is_asked_once_and_no_error(
    make_model, tokenizer, prompts, broken, monkeypatch, does, asked, why
) -> None:
    monkeypatch.setattr(compiler, "_SECONDS", 0.4)
    times, model = broken(does), make_model("llama")
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=(), compiled="auto")
    ours = [sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=2) for _ in range(2)][1]
    assert sampler.way().flat and not sampler.way().compiled and re.search(why, str(sampler.way()))
    assert len(times.read_text()) == asked  # with both sets of flags, or once
    plain = EmbeddedSampler(model, tokenizer, eos_token_ids=(), compiled=False)
    theirs = plain.sample(prompts, group_size=2, settings=SETTINGS, seed=2)
    for one, other in zip(itertools.chain(*ours), itertools.chain(*theirs), strict=True):
        assert np.array_equal(one.token_ids, other.token_ids) and np.array_equal(one.log_probs, other.log_probs)


def test_auto_compiles_where_it_can_and_says_so(make_model, tokenizer) -> None:
    for changes, flat, says in (
        ({}, True, "compiled operators"),
        ({"head_dim": 12}, True, "batched products (the model's sizes are no multiples of 8)"),
        ({"mlp_bias": True}, True, "its own modules"),
        ({}, False, "its own modules"),
    ):
        sampler = EmbeddedSampler(make_model("llama", **changes), tokenizer, flat=flat)
        assert str(sampler.way()) == says


def test_operators_that_give_other_logits_are_not_taken(make_model, tokenizer, monkeypatch) -> None:
    right = compiled.CompiledOperators.gated
    monkeypatch.setattr(compiled.CompiledOperators, "gated", lambda self, both: 1.01 * right(self, both))
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    assert str(sampler.way()) == "batched products (compiled ones gave other logits)"


def test_threads_that_begin_at_once_compile_one_library(asked_anew, monkeypatch) -> None:
    loaded, load = [], compiler._compile
    monkeypatch.setattr(compiler, "_compile", lambda *given: loaded.append(given) or load(*given))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: compiled.compiled_operators(8, 4, 2), range(4)))
    assert len(loaded) == 1 and len({id(each._library) for each in found}) == 1


def test_processes_that_begin_at_once_each_have_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    source = Path(compiled.__file__).with_name("compiled.cpp")
    script = (
        "import pathlib, sys; from counterpoise.compiler import load_library\n"
        "print(load_library(pathlib.Path(sys.argv[1]), ('WIDTH=8', 'HEADS=2', 'SHARED=1')).gate is not None)"
    )
    words = [sys.executable, "-c", script, str(source)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [each.communicate(timeout=300)[0].strip() for each in started] == ["True"] * 3
    assert not list(tmp_path.iterdir())


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

"""A row that has ended gives its place to one of the next prompt: the rollouts are those of batches that shrink."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from counterpoise.errors import TrainingError
from counterpoise.rollouts import embedded
from counterpoise.rollouts.compiled import CompiledAttention
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.refilling import Refilled, unequal
from counterpoise.types import Problem, Prompt, SamplingSettings, StopReason

pytestmark = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler here"
)
GROUP = 4


@pytest.fixture
def refills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that took places of others, at each time; lengths are always taken to be unequal."""
    monkeypatch.setattr(embedded, "unequal", lambda lengths: True)
    seen: list[int] = []
    refill = CompiledAttention.refill

    def counted(self: CompiledAttention, places: torch.Tensor, *given: object) -> None:
        seen.append(len(places))
        refill(self, places, *given)

    monkeypatch.setattr(CompiledAttention, "refill", counted)
    return seen


@pytest.fixture
def many() -> list[Prompt]:
    """Seventeen prompts of 1 to 20 tokens."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 21, 17)
    problems = [
        Problem(problem_id=f"q{i % 15}", task_type="t", question=f"q{i}", gold="", verifier="v") for i in range(17)
    ]
    return [
        Prompt(problem=problem, text="", token_ids=rng.integers(3, 40, size))
        for problem, size in zip(problems, sizes, strict=True)
    ]


def draw_both(model, tokenizer, prompts, settings, *, ends, rows=16, **room):
    """Rollouts with places given on, and of shrinking batches; each told of once."""
    found = []
    for compiled in (True, False):
        told = {}

        def heard(places, rollouts, told=told):
            assert not told.keys() & set(places)
            told.update(zip(places, rollouts, strict=True))

        sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=ends, max_rows=rows, compiled=compiled, **room)
        groups = sampler.sample_telling(prompts, group_size=GROUP, settings=settings, seed=3, ended=heard)
        assert all(
            told[prompt, number] is rollout
            for prompt, group in enumerate(groups)
            for number, rollout in enumerate(group)
        )
        assert len(told) == GROUP * len(prompts)
        found.append([rollout for group in groups for rollout in group])
    return found


def same(ours, theirs) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()
        assert (one.problem_id, one.stop_reason, one.text) == (other.problem_id, other.stop_reason, other.text)
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=5e-5, rtol=0)
        if other.entropy is not None:
            np.testing.assert_allclose(one.entropy, other.entropy, atol=5e-5, rtol=0)
            np.testing.assert_allclose(one.entropy_slope, other.entropy_slope, atol=5e-5, rtol=0)


@pytest.mark.parametrize(
    ("family", "ends", "settings"),
    [
        ("llama", range(1, 6), {"max_tokens": 30}),
        ("llama", (), {"max_tokens": 30, "stop": ("a", "bc", "zz")}),
        (
            "qwen3",
            range(1, 4),
            {"max_tokens": 40, "stop": ("a",), "with_entropy": True, "temperature": 0.9, "top_p": 0.95},
        ),
        ("gemma3", range(1, 3), {"max_tokens": 12}),
        ("llama", range(1, 30), {"max_tokens": 1}),
    ],
    ids=["end ids", "stop strings", "both, with entropies", "gemma3", "one token"],
)
def test_rollouts_are_those_of_batches_that_shrink(
    make_model, tokenizer, many, refills, family, ends, settings
) -> None:
    ours, theirs = draw_both(make_model(family), tokenizer, many, SamplingSettings(**settings), ends=ends)
    same(ours, theirs)
    # 17 prompts of 4 rows, 16 rows at once: 4 prompts show that rows end unequally, 4 begin, 9 take places
    assert sum(refills) == 9 * GROUP
    if settings["max_tokens"] > 12:
        assert len(refills) > 3 and len({len(rollout.token_ids) for rollout in ours}) > 10


def test_nearly_equal_or_short_responses_give_no_places_on(make_model, tokenizer, many, refills, monkeypatch) -> None:
    assert unequal([10, 16, 16, 32]) and not unequal([10, 16, 16, 31])  # a quarter has 14.5 tokens at most
    assert not unequal([17, 17, 17, 33]) and unequal([17, 17, 17, 34])
    seen = []
    monkeypatch.setattr(embedded, "unequal", lambda lengths: seen.append(lengths))
    sampler = EmbeddedSampler(make_model("llama"), tokenizer, eos_token_ids=range(1, 6), max_rows=16)
    groups = sampler.sample(many, group_size=GROUP, settings=SamplingSettings(max_tokens=30), seed=3)
    first = sorted(range(17), key=lambda index: len(many[index].token_ids))[:4]
    assert not refills and sorted(seen[0]) == sorted(
        len(rollout.token_ids) for index in first for rollout in groups[index]
    )


def test_limits_are_those_of_each_prompt(make_model, tokenizer, many, refills) -> None:
    model = make_model("llama", max_position_embeddings=24)  # prompts of up to 20 leave 4 tokens
    ours, theirs = draw_both(model, tokenizer, many, SamplingSettings(max_tokens=30), ends=range(1, 3))
    same(ours, theirs)
    assert refills
    for rollout in ours:
        assert len(rollout.token_ids) <= 24 - len(rollout.prompt_ids)
    cut = [rollout for rollout in ours if rollout.stop_reason is StopReason.LENGTH]
    assert {len(rollout.token_ids) for rollout in cut} == {24 - len(rollout.prompt_ids) for rollout in cut}


def test_room_is_that_of_the_longest_prompt(make_model, tokenizer, many, refills, monkeypatch) -> None:
    begun = []
    begin = Refilled.__init__
    monkeypatch.setattr(
        Refilled,
        "__init__",
        lambda self, model, prompts, **given: begun.append((prompts, given)) or begin(self, model, prompts, **given),
    )
    settings = SamplingSettings(max_tokens=10)
    ours, theirs = draw_both(
        make_model("llama"), tokenizer, many * 3, settings, ends=range(1, 6), rows=64, batch_tokens=340
    )
    same(ours, theirs)
    assert refills and begun
    for prompts, given in begun:
        widths = [len(prompt) + 10 for prompt in prompts]
        assert GROUP <= given["rows"] <= 340 // max(widths) and given["rows"] >= 0.75 * (340 // min(widths))


def test_groups_larger_than_the_room_go_in_parts(make_model, tokenizer, many, refills) -> None:
    ours, theirs = draw_both(
        make_model("llama"), tokenizer, many[:3], SamplingSettings(max_tokens=10), ends=range(1, 6), rows=3
    )
    same(ours, theirs)
    assert not refills


def test_only_compiled_attention_gives_places_on(make_model, tokenizer, many, refills) -> None:
    model, settings = make_model("llama"), SamplingSettings(max_tokens=6)
    for ways in ({"compiled": False}, {"flat": False}):
        EmbeddedSampler(model, tokenizer, max_rows=16, **ways).sample(many, group_size=GROUP, settings=settings, seed=0)
    EmbeddedSampler(model, tokenizer, max_rows=68).sample(
        many, group_size=GROUP, settings=settings, seed=0
    )  # all at once
    assert not refills


def test_logits_that_are_not_finite_are_named_at_once(make_model, tokenizer, many, refills) -> None:
    model = make_model("llama")
    sampler = EmbeddedSampler(model, tokenizer, max_rows=16, eos_token_ids=())
    sampler.way()
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = torch.inf
    with pytest.raises(TrainingError, match=r"not finite for response token 1 of problem 'q"):
        sampler.sample(many, group_size=GROUP, settings=SamplingSettings(max_tokens=6), seed=0)
    assert not refills

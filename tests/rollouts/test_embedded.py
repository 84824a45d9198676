from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import GenerationConfig

from counterpoise.errors import DataError, ModelError, TrainingError, UsageError
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.sampling import entropy_and_slope
from counterpoise.types import Rollout, SamplingSettings, StopReason

FAMILIES = ("llama", "qwen2", "qwen3", "gpt2", "mistral")
SETTINGS = SamplingSettings(max_tokens=14)


def flat(groups: list[list[Rollout]]) -> list[Rollout]:
    return [rollout for group in groups for rollout in group]


def tokens(groups: list[list[Rollout]]) -> list[list[list[int]]]:
    return [[rollout.token_ids.tolist() for rollout in group] for group in groups]


def teacher_forced(model: torch.nn.Module, rollout: Rollout, temperature: float) -> np.ndarray:
    """Log-probabilities of the response from one pass over prompt and response, no cache, no padding."""
    ids = torch.from_numpy(np.concatenate([rollout.prompt_ids, rollout.token_ids]))[None]
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
    start = len(rollout.prompt_ids) - 1
    table = (logits[start:-1] / temperature).log_softmax(-1)
    return table.gather(-1, ids[0, start + 1 :, None])[:, 0].numpy()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_log_probs_are_those_of_a_full_pass(make_model, tokenizer, prompts, family, attention) -> None:
    model = make_model(family, attn_implementation=attention)
    settings = replace(SETTINGS, temperature=0.8, top_k=20, top_p=0.95)
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=range(1, 11))
    groups = sampler.sample(prompts, group_size=4, settings=settings, seed=0)
    lengths = {len(rollout.token_ids) for rollout in flat(groups)}
    assert len(lengths) > 2  # some rows left early, so the batch was compacted
    for prompt, group in zip(prompts, groups, strict=True):
        for rollout in group:
            assert rollout.problem_id == prompt.problem.problem_id and rollout.prompt_ids is prompt.token_ids
            expected = teacher_forced(model, rollout, 0.8)
            np.testing.assert_allclose(rollout.log_probs, expected, atol=1e-5, rtol=0)


def test_entropies_are_recorded_when_asked_for_and_change_nothing_else(make_model, tokenizer, prompts) -> None:
    model = make_model("qwen3")
    settings = replace(SETTINGS, temperature=0.8, top_p=0.95)
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=range(1, 11))
    asked = replace(settings, with_entropy=True)
    assert asked == settings  # the same draws
    plain, recorded = (flat(sampler.sample(prompts, group_size=4, settings=s, seed=0)) for s in (settings, asked))
    assert len({len(rollout.token_ids) for rollout in recorded}) > 2  # the batch was compacted
    for one, other in zip(plain, recorded, strict=True):
        assert one.entropy is None and one.entropy_slope is None
        assert np.array_equal(one.token_ids, other.token_ids) and np.array_equal(one.log_probs, other.log_probs)
        ids = torch.from_numpy(np.concatenate([other.prompt_ids, other.token_ids]))[None]
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0, len(other.prompt_ids) - 1 : -1]
        exact = entropy_and_slope(logits, torch.from_numpy(other.token_ids), settings)
        np.testing.assert_allclose(other.entropy, exact[0].numpy(), atol=1e-5, rtol=0)
        np.testing.assert_allclose(other.entropy_slope, exact[1].numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_equals_generate_token_for_token(make_model, tokenizer, prompts, family) -> None:
    model = make_model(family)
    sampler = EmbeddedSampler(model, tokenizer)
    groups = sampler.sample(prompts, group_size=1, settings=replace(SETTINGS, temperature=0.0), seed=0)
    greedy = GenerationConfig(do_sample=False, max_new_tokens=14, eos_token_id=1, pad_token_id=0)
    for prompt, [rollout] in zip(prompts, groups, strict=True):
        ids = torch.from_numpy(prompt.token_ids)[None]
        whole = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
        assert rollout.token_ids.tolist() == whole[0, ids.shape[1] :].tolist()
        np.testing.assert_allclose(rollout.log_probs, teacher_forced(model, rollout, 1.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bounds", [{"max_rows": 3}, {"max_rows": 7}, {"batch_tokens": 60}])
def test_the_batch_a_rollout_is_drawn_in_does_not_change_it(make_model, tokenizer, prompts, family, bounds) -> None:
    model = make_model(family)
    whole = EmbeddedSampler(model, tokenizer).sample(prompts, group_size=4, settings=SETTINGS, seed=5)
    parts = EmbeddedSampler(model, tokenizer, **bounds).sample(prompts, group_size=4, settings=SETTINGS, seed=5)
    assert tokens(whole) == tokens(parts)
    for one, other in zip(flat(whole), flat(parts), strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5, rtol=0)


def test_other_prompts_and_a_larger_group_do_not_change_a_rollout(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    whole = sampler.sample(prompts, group_size=6, settings=SETTINGS, seed=5)
    alone = sampler.sample(prompts[3:4], group_size=2, settings=SETTINGS, seed=5)
    assert tokens(alone)[0] == tokens(whole)[3][:2]


def test_the_same_call_gives_the_same_rollouts_and_another_seed_others(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("qwen3"), tokenizer)
    first, again, other = (sampler.sample(prompts, group_size=3, settings=SETTINGS, seed=s) for s in (1, 1, 2))
    assert tokens(first) == tokens(again) != tokens(other)
    pairs = zip(flat(first), flat(again), strict=True)
    assert all(np.array_equal(one.log_probs, two.log_probs) for one, two in pairs)


def test_the_global_generator_is_neither_read_nor_moved(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    before = torch.get_rng_state()
    sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_problem_asked_twice_is_answered_twice(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    one, two = tokens(sampler.sample([prompts[0], prompts[0]], group_size=3, settings=SETTINGS, seed=0))
    assert one != two


def test_first_tokens_follow_the_models_distribution(make_model, tokenizer, prompts) -> None:
    model = make_model("llama")
    sampler = EmbeddedSampler(model, tokenizer, max_rows=4000)
    groups = sampler.sample(prompts[:1], group_size=4000, settings=SamplingSettings(max_tokens=1), seed=4)
    with torch.no_grad():
        logits = model(torch.from_numpy(prompts[0].token_ids)[None]).logits[0, -1]
    expected = 4000 * logits.double().softmax(-1).numpy()
    counts = np.bincount([int(rollout.token_ids[0]) for rollout in groups[0]], minlength=len(expected))
    order = expected.argsort()  # the ten rarest are pooled, as the chi-square approximation asks
    pooled = [np.append(x[order[10:]], x[order[:10]].sum()) for x in (counts, expected)]
    assert pooled[1].min() > 5
    assert stats.chisquare(*pooled).pvalue > 0.01


def test_reasons_text_and_mask_agree_with_the_tokens(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    rollouts = flat(sampler.sample(prompts, group_size=16, settings=SETTINGS, seed=0, policy_version=7))
    for rollout in rollouts:
        ended = rollout.token_ids[-1] == 1
        assert rollout.stop_reason is (StopReason.EOS if ended else StopReason.LENGTH)
        assert ended or len(rollout.token_ids) == 14
        assert 1 not in rollout.token_ids[:-1]
        assert rollout.mask.all() and rollout.mask.shape == rollout.token_ids.shape == rollout.log_probs.shape
        assert rollout.text == "".join(chr(ord("a") + i - 3) for i in rollout.token_ids if i > 2)
        assert rollout.policy_version == 7 and rollout.temperature == 1.0
        assert (rollout.token_ids.dtype, rollout.log_probs.dtype) == (np.int64, np.float32)
    assert Counter(r.stop_reason for r in rollouts).keys() == {StopReason.EOS, StopReason.LENGTH}


def test_stop_strings_cut_the_same_rollouts_at_the_token_that_completes_them(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    free = flat(sampler.sample(prompts, group_size=16, settings=SETTINGS, seed=0))
    stop = Counter(r.text[i : i + 2] for r in free for i in range(len(r.text) - 1)).most_common(1)[0][0]
    cut = flat(sampler.sample(prompts, group_size=16, settings=replace(SETTINGS, stop=(stop,)), seed=0))
    stopped = [rollout for rollout in cut if rollout.stop_reason is StopReason.STOP_STRING]
    assert stopped
    for one, other in zip(free, cut, strict=True):
        assert other.token_ids.tolist() == one.token_ids[: len(other.token_ids)].tolist()
        assert (stop in one.text) == (other.stop_reason is StopReason.STOP_STRING)
        if stop in one.text:
            assert other.text == one.text[: one.text.index(stop) + 2] and len(other.token_ids) > 1
        else:
            assert len(other.token_ids) == len(one.token_ids)


def test_any_of_several_end_ids_ends_a_response(make_model, tokenizer, prompts) -> None:
    model = make_model("llama")
    model.generation_config.eos_token_id = [5, 6]
    sampler = EmbeddedSampler(model, tokenizer)
    assert sampler.eos_token_ids == (1, 5, 6)
    last = {int(r.token_ids[-1]) for r in flat(sampler.sample(prompts, group_size=32, settings=SETTINGS, seed=0))
            if r.stop_reason is StopReason.EOS}  # fmt: skip
    assert last == {1, 5, 6}


def test_end_ids_can_be_replaced_and_switched_off(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer, eos_token_ids=())
    rollouts = flat(sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=0))
    assert {(len(r.token_ids), r.stop_reason) for r in rollouts} == {(14, StopReason.LENGTH)}
    assert any(1 in r.token_ids for r in rollouts)


def test_no_prompts_no_rollouts(make_model, tokenizer) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    assert sampler.sample([], group_size=4, settings=SETTINGS, seed=0) == []


def test_every_submodule_gets_its_mode_back_and_dropout_is_off(make_model, tokenizer, prompts) -> None:
    model = make_model("llama", attention_dropout=0.5)
    model.train()
    model.lm_head.eval()
    rollouts = flat(EmbeddedSampler(model, tokenizer).sample(prompts, group_size=2, settings=SETTINGS, seed=0))
    assert model.training and model.model.layers[0].training and not model.lm_head.training
    model.eval()
    for rollout in rollouts:
        np.testing.assert_allclose(rollout.log_probs, teacher_forced(model, rollout, 1.0), atol=1e-5, rtol=0)


def test_training_goes_on_after_sampling(make_model, tokenizer, prompts) -> None:
    model = make_model("llama").train()
    EmbeddedSampler(model, tokenizer).sample(prompts, group_size=2, settings=SETTINGS, seed=0)
    model(torch.tensor([[3, 4, 5]])).logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_bfloat16_models_record_float32_log_probs(make_model, tokenizer, prompts) -> None:
    model = make_model("llama").to(torch.bfloat16)
    for rollout in flat(EmbeddedSampler(model, tokenizer).sample(prompts, group_size=2, settings=SETTINGS, seed=0)):
        assert rollout.log_probs.dtype == np.float32
        # bfloat16 keeps 8 bits: logits of magnitude 4 differ by some hundredths between the two ways.
        np.testing.assert_allclose(rollout.log_probs, teacher_forced(model, rollout, 1.0), atol=0.3, rtol=0)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft reads it
def test_adapters_are_sampled_through(make_model, tokenizer, prompts) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        make_model("llama"), LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False, r=4)
    )
    rollouts = flat(EmbeddedSampler(model, tokenizer).sample(prompts, group_size=2, settings=SETTINGS, seed=0))
    model.eval()
    for rollout in rollouts:
        np.testing.assert_allclose(rollout.log_probs, teacher_forced(model, rollout, 1.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_response_is_cut_at_the_models_last_position(make_model, make_prompt, tokenizer, family) -> None:
    model = make_model(family)
    prompts = [make_prompt("long", [5] * 60), make_prompt("short", [5] * 57)]
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=())
    groups = sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=0)
    # 64 positions: 4 tokens fit after 60, 7 after 57.
    assert [{(len(r.token_ids), r.stop_reason) for r in group} for group in groups] == [
        {(4, StopReason.LENGTH)},
        {(7, StopReason.LENGTH)},
    ]
    for rollout in flat(groups):
        np.testing.assert_allclose(rollout.log_probs, teacher_forced(model, rollout, 1.0), atol=1e-5, rtol=0)


def test_prompts_that_cannot_be_answered_are_refused(make_model, make_prompt, tokenizer) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer)
    for ids, message in (
        ([], "the prompt of problem 'x' has no tokens; give its template some text"),
        ([3] * 64, "the prompt of problem 'x' has 64 tokens and the model has 64 positions, which leaves none"),
        ([3, 40], "the prompt of problem 'x' holds token id 40, outside the model's vocabulary of 40"),
        ([-2, 3], "the prompt of problem 'x' holds token id -2, outside the model's vocabulary of 40"),
    ):
        with pytest.raises(DataError) as caught:
            sampler.sample([make_prompt("x", ids)], group_size=1, settings=SETTINGS, seed=0)
        assert str(caught.value).startswith(message)


def test_diverged_weights_stop_the_run_and_name_the_place(make_model, tokenizer, prompts) -> None:
    model = make_model("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight[4:] = torch.nan
        model.model.embed_tokens.weight[3] = 0.01
    only = replace(prompts[0], token_ids=np.array([3, 3, 3]))
    with pytest.raises(TrainingError) as caught:
        EmbeddedSampler(model, tokenizer, eos_token_ids=()).sample(
            [only], group_size=8, settings=SETTINGS, seed=0, policy_version=12
        )
    # The prompt is sound; the first token drawn from 4 on poisons the second.
    assert str(caught.value) == (
        "the policy (version 12) gave logits that are not finite for response token 2 of problem 'p0'; its weights have "
        "diverged: go back to the last good checkpoint and lower the learning rate or the weight of negative rollouts"
    )
    assert not model.training


def test_a_model_that_ignores_the_cache_is_refused(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("llama")
    whole = model.forward
    monkeypatch.setattr(model, "forward", lambda past_key_values, **rest: whole(**{**rest, "use_cache": False}))
    with pytest.raises(ModelError, match="'llama' did not fill the key/value cache"):
        EmbeddedSampler(model, tokenizer).sample(prompts, group_size=1, settings=SETTINGS, seed=0)


def test_bounds_must_be_positive(make_model, tokenizer) -> None:
    with pytest.raises(UsageError, match="max_rows is 0 and batch_tokens is 65536; both must be at least 1"):
        EmbeddedSampler(make_model("llama"), tokenizer, max_rows=0)


def test_every_rollout_is_told_of_once_with_its_place(make_model, tokenizer, prompts) -> None:
    sampler = EmbeddedSampler(make_model("llama"), tokenizer, max_rows=24)
    told: dict[tuple[int, int], Rollout] = {}
    calls = []

    def ended(places, rollouts) -> None:
        calls.append(len(places))
        assert not told.keys() & set(places)
        told.update(zip(places, rollouts, strict=True))

    groups = sampler.sample_telling(prompts, group_size=8, settings=SETTINGS, seed=0, ended=ended)
    assert told == {(i, g): rollout for i, group in enumerate(groups) for g, rollout in enumerate(group)}
    assert len(calls) > 3  # shares of the prompts alone would be two
    assert tokens(groups) == tokens(sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=0))

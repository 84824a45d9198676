from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from counterpoise.errors import DataError, UsageError
from counterpoise.rollouts.tabular import TabularConfig, TabularPolicy, TabularSampler
from counterpoise.types import SamplingSettings, StopReason


def policy(problems: int = 2, vocabulary: int = 3, tokens: int = 3) -> TabularPolicy:
    return TabularPolicy(
        TabularConfig(problems=problems, vocab_size=vocabulary, response_tokens=tokens, eos_token_id=0)
    ).randomize(0)


def test_the_sequences_of_three_tokens_over_three_words() -> None:
    # 1 + 2 + 4 end in EOS after 0, 1, 2 words; 8 are cut.
    sequences = policy().sequences()
    assert len(sequences) == len(set(sequences)) == 15
    assert sequences[0] == (0,) and (1, 2, 0) in sequences and (2, 2, 1) in sequences


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_their_probabilities_sum_to_one(temperature: float) -> None:
    for problem in (0, 1):
        total = policy().sequence_log_probs(problem, temperature=temperature).exp().sum()
        assert total.item() == pytest.approx(1.0, abs=1e-6)


def test_every_prefix_has_its_own_logits() -> None:
    table = policy()
    # Prefix (2, 1) is 2 * 3 + 1 = 7 behind the 1 + 3 shorter prefixes: row 11.
    logits = table(torch.tensor([[1, 2, 1]])).logits
    assert torch.equal(logits[0, 2], table.logits[1, 11]) and torch.equal(logits[0, 0], table.logits[1, 0])


def test_right_padding_and_kept_positions_do_not_change_logits() -> None:
    table = policy()
    short, padded = table(torch.tensor([[0, 1]])).logits, table(torch.tensor([[0, 1, 99, 5, 5]])).logits
    assert torch.equal(padded[:, :2], short) and (padded[:, 3:] == 0).all()
    assert torch.equal(
        table(torch.tensor([[0, 1, 2]]), logits_to_keep=2).logits, table(torch.tensor([[0, 1, 2]])).logits[:, 1:]
    )


def test_the_score_function_has_mean_zero() -> None:
    table = policy()
    log_probs = table.sequence_log_probs(0)
    (log_probs.exp().detach() * log_probs).sum().backward()
    # sum_y p(y) grad log p(y) = grad sum_y p(y) = 0
    assert table.logits.grad is not None and table.logits.grad.abs().max().item() < 1e-6


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampled_frequencies_match_the_enumeration(make_prompt, temperature: float) -> None:
    table = policy()
    prompt = table.prompt(1, make_prompt("p", [0]).problem)
    settings = SamplingSettings(temperature=temperature, max_tokens=3)
    [group] = TabularSampler(table).sample([prompt], group_size=20_000, settings=settings, seed=3)
    sequences = table.sequences()
    exact = table.sequence_log_probs(1, temperature=temperature).detach()
    number = {sequence: index for index, sequence in enumerate(sequences)}
    drawn = [number[tuple(rollout.token_ids.tolist())] for rollout in group]
    counts = np.bincount(drawn, minlength=len(sequences))
    assert stats.chisquare(counts, 20_000 * exact.double().softmax(-1).numpy()).pvalue > 0.01
    for rollout, index in zip(group[:200], drawn, strict=False):
        assert math.fsum(rollout.log_probs) == pytest.approx(exact[index].item(), abs=1e-5)


def test_rollouts_say_how_they_ended(make_prompt) -> None:
    table = policy()
    prompts = [table.prompt(number, make_prompt(f"p{number}", [0]).problem) for number in (0, 1)]
    groups = TabularSampler(table).sample(
        prompts, group_size=50, settings=SamplingSettings(max_tokens=2), seed=0, policy_version=4
    )
    for group, prompt in zip(groups, prompts, strict=True):
        for rollout in group:
            words = [token for token in rollout.token_ids.tolist() if token]
            assert rollout.text == " ".join(map(str, words)) and rollout.policy_version == 4
            assert (rollout.token_ids[-1] == 0) == (rollout.stop_reason is StopReason.EOS)
            assert rollout.stop_reason is StopReason.EOS or len(words) == 2
            assert rollout.problem_id == prompt.problem.problem_id
    alone = TabularSampler(table).sample(prompts[1:], group_size=5, settings=SamplingSettings(max_tokens=2), seed=0)
    assert [r.text for r in alone[0]] == [r.text for r in groups[1][:5]]


def test_entropies_are_those_of_the_table_and_recorded_only_when_asked_for(make_prompt) -> None:
    table = policy()
    prompt = table.prompt(0, make_prompt("p", [0]).problem)
    settings = SamplingSettings(temperature=0.7, max_tokens=3)
    sample = TabularSampler(table).sample
    [plain] = sample([prompt], group_size=20, settings=settings, seed=0)
    [group] = sample([prompt], group_size=20, settings=replace(settings, with_entropy=True), seed=0)
    for one, rollout in zip(plain, group, strict=True):
        assert one.entropy is None and one.entropy_slope is None
        assert np.array_equal(one.token_ids, rollout.token_ids)
        log_p = (table.logits[0, 0].double() / 0.7).log_softmax(-1).detach()
        p, first = log_p.exp(), int(rollout.token_ids[0])
        above = log_p - (p * log_p).sum()
        assert rollout.entropy is not None and rollout.entropy_slope is not None
        assert rollout.entropy.shape == rollout.entropy_slope.shape == rollout.token_ids.shape
        assert rollout.entropy[0] == pytest.approx(-float((p * log_p).sum()), abs=1e-6)
        assert rollout.entropy_slope[0] == pytest.approx(
            float(p[first] * above[first] - (p * p * above).sum()), abs=1e-6
        )


def test_what_cannot_be_sampled_is_refused(make_prompt) -> None:
    sampler = TabularSampler(policy())
    with pytest.raises(DataError, match=r"problem 'x' is \[2\]; the tabular policy takes one number from 0 to 1"):
        sampler.sample([make_prompt("x", [2])], group_size=1, settings=SamplingSettings(), seed=0)
    with pytest.raises(UsageError, match="numbers, not text; remove the stop strings"):
        sampler.sample([], group_size=1, settings=SamplingSettings(stop=("a",)), seed=0)


def test_tables_that_are_empty_or_too_large_are_refused() -> None:
    with pytest.raises(UsageError, match="of 1 problem, 1 token and responses of 3 is empty"):
        policy(1, 1, 3)
    with pytest.raises(UsageError, match="cannot be enumerated; keep it under 10000000"):
        policy(1, 10, 9)

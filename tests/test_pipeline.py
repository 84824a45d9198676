"""Where the time of a step goes, by a clock that stands still between the stages."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoise import pipeline as module
from counterpoise.pipeline import Pipeline
from counterpoise.types import (
    Credit,
    Problem,
    Prompt,
    Reward,
    Rollout,
    SamplingSettings,
    StopReason,
    Verdict,
    VerdictValue,
)

DRAWING, ADDING, JUDGING, WAITING = 8.0, 0.25, 2.0, 32.0


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now

    def takes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def rollout(number):
    one = np.ones(1)
    return Rollout(
        problem_id="p", prompt_ids=one.astype(np.int64), token_ids=one.astype(np.int64), mask=one.astype(np.bool_),
        log_probs=-one.astype(np.float32), text=str(number), temperature=1.0, stop_reason=StopReason.EOS, policy_version=0,
    )  # fmt: skip


def verdicts(texts):
    values = [VerdictValue.CORRECT if text == "0" else VerdictValue.WRONG for text in texts]
    return [
        Verdict(value=value, answer=text, basis="bare/text", seconds=0.0, verifier="exact", version="1")
        for value, text in zip(values, texts, strict=True)
    ]


class Telling:
    """Draws the second response first."""

    def __init__(self, clock):
        self.clock = clock

    def sample(self, prompts, **options):
        return self.sample_telling(prompts, ended=lambda places, rollouts: None, **options)

    def sample_telling(self, prompts, *, group_size, ended, **options):
        for number in reversed(range(group_size)):
            self.clock.takes(DRAWING / group_size)
            ended([(0, number)], [rollout(number)])
        return [[rollout(number) for number in range(group_size)] for _ in prompts]


class Begun:
    def __init__(self, clock):
        self.clock, self.texts = clock, {}

    def add(self, rows, problems, texts, cut):
        self.clock.takes(ADDING)
        self.texts |= zip(rows, texts, strict=True)

    def verdicts(self):
        self.clock.takes(JUDGING)
        return verdicts([self.texts[row] for row in sorted(self.texts)])

    def close(self):
        pass


@pytest.mark.parametrize("overlap", [False, True])
def test_waiting_for_the_verdicts_of_other_processes_is_judging_and_not_sampling(clock, overlap):
    def gather(own):
        clock.takes(WAITING)
        return own

    def verify(problems, texts, cut):
        clock.takes(JUDGING)
        return verdicts(texts)

    def assign(batch):
        zero = torch.zeros(len(batch.rewards))
        return Credit(plus=zero, minus=zero), {}

    step = Pipeline(
        sampler=Telling(clock),
        verify=verify,
        reward=lambda verdict, length: Reward(value=float(verdict.correct)),
        assign=assign,
        settings=SamplingSettings(max_tokens=4),
        group_size=2,
        max_unscored=0.5,
        world=SimpleNamespace(rank=0, size=2, gather=gather),
        begin=(lambda: Begun(clock)) if overlap else None,
    )
    problem = Problem(problem_id="p", task_type="test", question="?", gold="0", verifier="exact")
    made = step.experience(
        [Prompt(problem=problem, text="?", token_ids=np.ones(1, dtype=np.int64))], seed=0, policy_version=0
    )
    assert [verdict.correct for verdict in made.verdicts] == [True, False]
    assert made.seconds["sample"] == DRAWING
    assert made.seconds["verify"] == JUDGING + WAITING + (2 * ADDING if overlap else 0.0)

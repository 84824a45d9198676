"""A problem list, sampler and verifier without a model; run as a program it is the victim of the kill test."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from counterpoise.evaluation.run import evaluate
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore
from counterpoise.types import (
    Problem,
    Prompt,
    Rollout,
    SamplingSettings,
    StopReason,
    Verdict,
    VerdictValue,
)

SETTINGS = SamplingSettings(temperature=0.6, top_p=0.95, max_tokens=8)
SEED = 7


def manifest(**changes) -> Manifest:
    return Manifest(
        **{"model": "m", "task": "toy:test", "template": "plain", "settings": SETTINGS, "seed": SEED} | changes
    )


def make_problems(count: int, task_type: str = "toy", verifier: str = "toy") -> list[Problem]:
    """Problem i is answered right with probability i / count."""
    return [
        Problem(
            problem_id=f"p{i:03d}",
            task_type=task_type,
            question="?",
            gold="right",
            verifier=verifier,
            meta={"rate": i / count},
        )
        for i in range(count)
    ]


def make_prompts(problems: Sequence[Problem]) -> list[Prompt]:
    return [Prompt(problem=p, text=p.question, token_ids=np.arange(2)) for p in problems]


@dataclass
class FakeSampler:
    """Counts what it drew; the seed, the prompts and the group size fix the draws."""

    padding: int = 0
    drawn: int = 0
    stop_after: int | None = None
    seeds: list[int] = field(default_factory=list)

    def sample(self, prompts, *, group_size, settings, seed, policy_version=0):
        if self.stop_after is not None and self.drawn >= self.stop_after:
            raise KeyboardInterrupt
        self.seeds.append(seed)
        self.drawn += group_size * len(prompts)
        generator = np.random.default_rng(seed)
        return [[self._one(prompt, generator, policy_version) for _ in range(group_size)] for prompt in prompts]

    def _one(self, prompt, generator, policy_version) -> Rollout:
        right = generator.random() < prompt.problem.meta["rate"]
        length = int(generator.integers(1, 9))
        return Rollout(
            problem_id=prompt.problem.problem_id,
            prompt_ids=prompt.token_ids,
            token_ids=np.arange(length),
            mask=np.ones(length, dtype=bool),
            log_probs=np.full(length, -0.5, dtype=np.float32),
            text=("right" if right else f"wrong {generator.integers(3)}") + "." * self.padding,
            temperature=0.6,
            stop_reason=StopReason.LENGTH if length == 8 else StopReason.EOS,
            policy_version=policy_version,
        )


@dataclass
class FakeVerify:
    """`right…` is correct, `none…` has no answer, `hang…` times out, anything else is wrong."""

    version: str = "1"
    judged: int = 0
    cut: int = 0

    def __call__(self, problems, responses, truncated) -> list[Verdict]:
        self.judged += len(responses)
        self.cut += sum(truncated)
        return [self._one(p, r) for p, r, _ in zip(problems, responses, truncated, strict=True)]

    def _one(self, problem: Problem, response: str) -> Verdict:
        word = response.rstrip(".").split()[0]
        values = {"right": VerdictValue.CORRECT, "none": VerdictValue.NO_ANSWER, "hang": VerdictValue.UNSCORED}
        value = values.get(word, VerdictValue.WRONG)
        return Verdict(
            value=value,
            answer=None if value is VerdictValue.NO_ANSWER else response.rstrip("."),
            basis="word/equal",
            seconds=0.0,
            verifier=problem.verifier,
            version=self.version,
            reason="timeout" if value is VerdictValue.UNSCORED else None,
        )


def run(directory, problems, n, *, sampler=None, verify=None, make_prompts=make_prompts, **options):
    return evaluate(
        store=RolloutStore(directory, manifest()),
        problems=problems,
        make_prompts=make_prompts,
        sampler=sampler or FakeSampler(),
        verify=verify or FakeVerify(),
        n=n,
        settings=SETTINGS,
        seed=SEED,
        **options,
    )


def main() -> None:
    """`DIRECTORY PROBLEMS N PADDING`: for each line of the input, evaluate in a child killed after that many seconds (`never`: not at all).

    Answers each line with the child's exit code, -9 when it was killed. Forking spares the imports.
    """
    directory, problems, n, padding = sys.argv[1], *map(int, sys.argv[2:])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sampler = FakeSampler(padding=padding)
            run(directory, make_problems(problems), n, sampler=sampler, problems_per_batch=3, samples_per_block=8)
            os._exit(0)
        if line.strip() != "never":
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()

"""Drawing and judging a step, with judging begun while others are decoded and after the last, in turn in one process.

python benchmarks/overlap.py --verifier wait --milliseconds 30 --prompts 16 --tokens 64
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from counterpoise.build.judge import judge_of
from counterpoise.engines.local.assemble import assemble, make_pipeline, sampling_settings
from counterpoise.engines.local.policy import load_base
from counterpoise.prompts import make_prompts
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.runfile import parse_config

SLOW = """
import time

def wait(response, gold):
    time.sleep({seconds})
    return len(response) % 2 == 0

def compute(response, gold):
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        pass
    return len(response) % 2 == 0
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--verifier", choices=["own", "wait", "compute"], default="own", help="own: the task's")
    parser.add_argument("--milliseconds", type=float, default=30.0)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--rows", type=int, default=512, help="decoded together at most")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = parse_config(
        {
            "model": {"name": given.model},
            "tasks": {"name": "countdown"},
            "rollout": {"prompts_per_step": given.prompts, "group_size": given.group, "max_tokens": given.tokens},
            "verification": {"workers": given.workers},
        }
    )
    assembly, policy = assemble(config), load_base(config.model)
    problems = assembly.train
    with tempfile.TemporaryDirectory() as folder, judge_of(config.verification) as judge:
        if given.verifier != "own":
            path = Path(folder) / "slow.py"
            path.write_text(SLOW.format(seconds=given.milliseconds / 1000))
            problems = [replace(problem, verifier=f"{path}:{given.verifier}") for problem in problems]
        prompts = make_prompts(problems, policy.tokenizer, template=assembly.template, max_prompt_tokens=None)
        sampler = EmbeddedSampler(policy.model, policy.tokenizer, max_rows=given.rows)
        early = make_pipeline(config, assembly, sampler, judge)
        pipelines = {"early": early, "after": replace(early, begin=None)}
        settings, size = sampling_settings(config), given.prompts
        sampler.sample(prompts[:size], group_size=given.group, settings=settings, seed=0)
        took: dict[str, list[tuple[float, float, float]]] = {name: [] for name in pipelines}
        for turn in range(given.rounds + 1):
            at = turn * size % max(1, len(prompts) - size)
            for name in sorted(pipelines, reverse=bool(turn % 2)):
                started = time.perf_counter()
                found = pipelines[name].experience(prompts[at : at + size], seed=turn, policy_version=0)
                seconds = time.perf_counter() - started
                if turn:  # the first one starts the worker
                    took[name].append((seconds, found.seconds["sample"], found.seconds["verify"]))
                distinct = len(
                    {(p.problem.problem_id, v.answer) for p, v in zip(found.prompts, found.verdicts, strict=True)}
                )
    for name, rows in took.items():
        whole, sample, verify = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{name}: {whole:.3f} s, of it drawing {sample:.3f}, only judging {verify:.3f}; {distinct} distinct answers in the last"
        )
    ratios = sorted(after[0] / early[0] for early, after in zip(took["early"], took["after"], strict=True))
    print(
        f"after / early: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}, {given.rounds} pairs"
    )


if __name__ == "__main__":
    main()

"""Microseconds of sampler and learner a response token, and peak memory, from 64 to 4,096 rows and from 64 to 2,048 tokens: is it flat?

Each size is a process of its own. The model has the lab's shape and random weights, prompts have about 13 tokens, groups 8 rows, every row
is drawn to its full length and credited; one update is one optimiser step. CPU seconds, the median of `--repeats` behind one that warms up.
The row of 64 x 64 stands first, and what is asked for is every other one within 1.5 of it.

Run: `OMP_NUM_THREADS=1 python benchmarks/token_growth.py [--repeats 3] [--sizes 64x32 …] [--compiled] [--csv FILE]`
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from decode import build
from shared_prompts import make_learner, make_prompts
from written import write_csv

from counterpoise.learner.settings import LearnerSettings
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import Credit, SamplingSettings

SIZES = ("64x64", "256x64", "1024x64", "4096x64", "64x256", "64x512", "64x1024", "64x2048")
GROUP = 8
LIMIT = 1.5


def one(rows: int, tokens: int, repeats: int, compiled: bool) -> dict[str, float]:
    """Microseconds a token of both, and MiB."""
    model, tokenizer = build("lab", max_position_embeddings=4096)
    prompts = make_prompts(tokenizer, rows // GROUP, 13)
    sampler = EmbeddedSampler(model, tokenizer, eos_token_ids=(), compiled=compiled)
    learner = make_learner(model, True, rows // GROUP, LearnerSettings().tokens_per_microbatch)
    sign = torch.where(torch.rand(rows, generator=torch.Generator().manual_seed(0)) < 0.5, 1.0, -1.0)
    credit = Credit(plus=sign.clamp(min=0.0), minus=(-sign).clamp(min=0.0))
    scored, groups = torch.ones(rows, dtype=torch.bool), np.arange(rows) // GROUP
    taken: dict[str, list[float]] = {"sampler": [], "learner": []}
    for repeat in range(repeats + 1):
        started = time.process_time()
        drawn = sampler.sample(prompts, group_size=GROUP, settings=SamplingSettings(max_tokens=tokens), seed=repeat)
        between = time.process_time()
        rollouts = [rollout for group in drawn for rollout in group]
        resumed = time.process_time()
        learner.update(rollouts, credit, scored, groups, seed=repeat)
        taken["sampler"].append(between - started)
        taken["learner"].append(time.process_time() - resumed)
    found = {name: 1e6 * statistics.median(seconds[1:]) / (rows * tokens) for name, seconds in taken.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {**found, "mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--sizes", nargs="*", default=SIZES, help="rows x tokens, the first is what others are held against"
    )
    parser.add_argument("--compiled", action="store_true", help="draw with rollout.compiled_decode")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        rows, tokens = map(int, given.one.split("x"))
        print(json.dumps(one(rows, tokens, given.repeats, given.compiled)))
        return
    lines: list[tuple[object, ...]] = []
    first: dict[str, float] = {}
    for size in given.sizes:
        words = [sys.executable, __file__, "--one", size, "--repeats", str(given.repeats)]
        words += ["--compiled"] * given.compiled
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        first = first or found
        ratios = [found[name] / first[name] for name in ("sampler", "learner")]
        lines.append(
            (size, *(f"{found[name]:.0f}" for name in ("sampler", "learner", "mib")), *(f"{r:.2f}" for r in ratios))
        )
        late = "  ABOVE" if max(ratios) > LIMIT else ""
        print(
            f"{size:>10}  sampler {found['sampler']:5.0f} us ({ratios[0]:.2f})  learner {found['learner']:5.0f} us ({ratios[1]:.2f})"
            f"  {found['mib']:5.0f} MiB{late}",
            flush=True,
        )
    write_csv(given.csv, ("size", "sampler_us", "learner_us", "peak_mib", "sampler_ratio", "learner_ratio"), lines)


if __name__ == "__main__":
    main()

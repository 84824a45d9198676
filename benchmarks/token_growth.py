"""Microseconds of sampler and learner a response token, and peak memory, from 64 to 4,096 rows and from 64 to 2,048 tokens: is it flat?

Each size is a process of its own. The model has random weights and the lab's shape, or SmolLM2's; prompts have about 13 tokens, groups 8
rows, every row is drawn to its full length and credited; one update is one optimiser step. CPU seconds, the median of `--repeats` behind
one that warms up. The row of 64 x 64 stands first, and what is asked for is every other one within 1.5 of it.

Run: `OMP_NUM_THREADS=1 python benchmarks/token_growth.py [--repeats 3] [--sizes 64x32 …] [--shape smollm2] [--sampler] [--batched]
[--library] [--csv FILE]`
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
from decode import SHAPES, build
from shared_prompts import make_learner, make_prompts
from written import write_csv

from counterpoise.compiler import Compiled
from counterpoise.learner.settings import LearnerSettings
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import Credit, SamplingSettings

SIZES = ("64x64", "256x64", "1024x64", "4096x64", "64x256", "64x512", "64x1024", "64x2048")
GROUP = 8
LIMIT = 1.5


def one(
    shape: str, rows: int, tokens: int, repeats: int, batched: bool, trains: bool, library: bool
) -> dict[str, float]:
    """Microseconds a token of each, and MiB."""
    model, tokenizer = build(shape, max_position_embeddings=4096)
    prompts = make_prompts(tokenizer, rows // GROUP, 13)
    samplers = {"sampler": EmbeddedSampler(model, tokenizer, eos_token_ids=())}
    if batched:
        samplers["batched"] = EmbeddedSampler(model, tokenizer, eos_token_ids=(), compiled=False)
    ways: dict[str, Compiled] = ({"library": False} if library else {}) | {"learner": "auto"}
    learners = {
        name: make_learner(model, True, rows // GROUP, LearnerSettings().tokens_per_microbatch, compiled=way)
        for name, way in ways.items()
        if trains
    }
    sign = torch.where(torch.rand(rows, generator=torch.Generator().manual_seed(0)) < 0.5, 1.0, -1.0)
    credit = Credit(plus=sign.clamp(min=0.0), minus=(-sign).clamp(min=0.0))
    scored, groups = torch.ones(rows, dtype=torch.bool), np.arange(rows) // GROUP
    taken: dict[str, list[float]] = {name: [] for name in (*samplers, *learners)}
    for repeat in range(repeats + 1):
        for name, sampler in samplers.items():
            started = time.process_time()
            drawn = sampler.sample(prompts, group_size=GROUP, settings=SamplingSettings(max_tokens=tokens), seed=repeat)
            taken[name].append(time.process_time() - started)
        rollouts = [rollout for group in drawn for rollout in group]
        for name, learner in learners.items():
            started = time.process_time()
            learner.update(rollouts, credit, scored, groups, seed=repeat)
            taken[name].append(time.process_time() - started)
    found = {name: 1e6 * statistics.median(seconds[1:]) / (rows * tokens) for name, seconds in taken.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {**found, "mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="lab")
    parser.add_argument(
        "--sizes", nargs="*", default=SIZES, help="rows x tokens, the first is what others are held against"
    )
    parser.add_argument("--batched", action="store_true", help="draw without compiled operators, too, in turn")
    parser.add_argument("--library", action="store_true", help="train by the library's operators, too, in turn")
    parser.add_argument("--sampler", action="store_true", help="train nothing")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        rows, tokens = map(int, given.one.split("x"))
        print(
            json.dumps(one(given.shape, rows, tokens, given.repeats, given.batched, not given.sampler, given.library))
        )
        return
    lines: list[tuple[object, ...]] = []
    first: dict[str, float] = {}
    names: list[str] = []
    for size in given.sizes:
        words = [sys.executable, __file__, "--one", size, "--shape", given.shape, "--repeats", str(given.repeats)]
        words += ["--batched"] * given.batched + ["--sampler"] * given.sampler + ["--library"] * given.library
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        first = first or found
        names = [name for name in found if name != "mib"]
        ratios = [found[name] / first[name] for name in names]
        lines.append((size, *(f"{found[name]:.0f}" for name in (*names, "mib")), *(f"{r:.2f}" for r in ratios)))
        late = "  ABOVE" if max(ratios) > LIMIT else ""
        told = "  ".join(f"{name} {found[name]:6.0f} us ({r:.2f})" for name, r in zip(names, ratios, strict=True))
        print(f"{size:>10}  {told}  {found['mib']:5.0f} MiB{late}", flush=True)
    columns = ("size", *(f"{name}_us" for name in names), "peak_mib", *(f"{name}_ratio" for name in names))
    write_csv(given.csv, columns, lines)


if __name__ == "__main__":
    main()

"""CPU seconds of one update and of a step (drawing and update), with each group's prompt computed once and with each of its rows, and with
the library's operators (`learner.compiled=false`) in place of compiled ones.

The learners train copies of one model on the same rollouts, drawn by the embedded sampler; they run in turn, and a ratio is the median of
the ratios of neighbours, so that other jobs on the machine disturb it little. Prints, too, the share of the matrix-product rates of the
same minutes that the learner reaches, of torch's own products and of oneDNN's (products of weights alone are counted: 6 a token and
weight).

Run: `OMP_NUM_THREADS=1 python benchmarks/shared_prompts.py [--model lab|smollm2] [--prompts 64] [--group 8] [--tokens 8] [--updates 4]`
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from counterpoise.compiler import Compiled
from counterpoise.learner.batches import numbered_prompts, row_width
from counterpoise.learner.products import multiplying, times
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.losses import counts, make_divide, make_loss
from counterpoise.models.load import load_model
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import Credit, Problem, Prompt, Rollout, SamplingSettings


def make_prompts(tokenizer: Any, count: int, length: int) -> list[Prompt]:
    draw = np.random.default_rng(0)
    found = []
    for index in range(count):
        ids = draw.integers(3, len(tokenizer), draw.integers(max(1, length - 3), length + 4))
        problem = Problem(problem_id=f"p{index}", task_type="bench", question="", gold="", verifier="none")
        found.append(Prompt(problem=problem, text="", token_ids=ids))
    return found


def make_learner(model: Any, share: bool, minibatch: int, tokens: int, *, compiled: Compiled = "auto") -> Learner:
    accelerator: Any = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        process_index=0,
        mixed_precision="no",
        autocast=lambda: torch.autocast("cpu", enabled=False),
    )
    return Learner(
        copy.deepcopy(model),
        accelerator=accelerator,
        settings=LearnerSettings(
            share_prompts=share, minibatch_prompts=minibatch, tokens_per_microbatch=tokens, compiled=compiled
        ),
        loss=make_loss("ppo_clip"),
        divide=make_divide("tokens_all"),
        make_counts=counts,
    )


def product_rate(rows: int, inner: int, outer: int) -> float:
    """GFLOP/s of float32 products of that shape, as torch multiplies or where it is told to, the best of five."""
    left, right = torch.randn(rows, inner), torch.randn(outer, inner)
    best = float("inf")
    for _ in range(6):
        started = time.process_time()
        for _ in range(10):
            times(left, right, rows=rows)
        best = min(best, time.process_time() - started)
    return 20 * rows * inner * outer / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="lab")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--prompt-tokens", type=int, default=13)
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--microbatch", type=int, default=LearnerSettings().tokens_per_microbatch)
    given = parser.parse_args()

    loaded = load_model(given.model, dtype="float32")
    model: Any = loaded.model
    prompts = make_prompts(loaded.tokenizer, given.prompts, given.prompt_tokens)
    sampler = EmbeddedSampler(model, loaded.tokenizer, eos_token_ids=())
    settings = SamplingSettings(max_tokens=given.tokens)

    def drawn(seed: int) -> list[Rollout]:
        groups = sampler.sample(prompts, group_size=given.group, settings=settings, seed=seed)
        return [rollout for group in groups for rollout in group]

    rollouts = drawn(0)
    rows = len(rollouts)
    sign = torch.where(torch.rand(rows, generator=torch.Generator().manual_seed(0)) < 0.5, 1.0, -1.0)
    credit = Credit(plus=sign.clamp(min=0.0), minus=(-sign).clamp(min=0.0))
    scored, groups = torch.ones(rows, dtype=torch.bool), np.arange(rows) // given.group
    minibatch = -(-given.prompts // given.updates)
    ways: tuple[tuple[bool, Compiled], ...] = ((False, "auto"), (True, False), (True, "auto"))
    learners = [make_learner(model, share, minibatch, given.microbatch, compiled=way) for share, way in ways]
    update: list[list[float]] = [[] for _ in learners]
    draw: list[float] = []
    for repeat in range(given.repeats + 1):
        started = time.process_time()
        drawn(repeat)
        draw.append(time.process_time() - started)
        for learner, seconds in zip(learners, update, strict=True):
            started = time.process_time()
            learner.update(rollouts, credit, scored, groups, seed=repeat)
            seconds.append(time.process_time() - started)
    plain, library, ours, draw = (seconds[1:] for seconds in (*update, draw))  # the first round warms up

    inner, outer = model.config.hidden_size, model.config.intermediate_size
    rates = {}
    for name in ("torch", "onednn") if torch.backends.mkldnn.is_available() else ("torch",):
        with multiplying(None, name):
            rates[name] = product_rate(given.microbatch, inner, outer)
    weights = sum(p.numel() for name, p in model.named_parameters() if "embed" not in name)
    head = model.get_output_embeddings().weight.numel() if model.config.tie_word_embeddings else 0
    _, first = numbered_prompts(rollouts)
    own = sum(len(rollouts[row].prompt_ids) for row in first) + sum(len(rollout.token_ids) - 1 for rollout in rollouts)
    every = sum(map(row_width, rollouts))
    chosen = sum(len(rollout.token_ids) for rollout in rollouts)
    medians = {"draw": draw, "update, prompt with each row": plain}
    medians |= {"update, library's operators": library, "update, prompt once": ours}
    print(f"{given.model}, {given.prompts} x {given.group} x {given.tokens}, {torch.get_num_threads()} thread(s)")
    print(f"tokens {every} with each row, {own} once: {every / own:.2f}x")
    for name, seconds in medians.items():
        print(f"{name:30s} {statistics.median(seconds):8.3f} CPU s")
    pairs = list(zip(plain, ours, draw, strict=True))
    gain = statistics.median(a / b for a, b, _ in pairs)
    whole = statistics.median((a + d) / (b + d) for a, b, d in pairs)
    print(f"update {gain:.2f}x, step {whole:.2f}x")
    found = statistics.median(a / b for a, b in zip(library, ours, strict=True))
    print(f"by {learners[-1].way()} in place of {learners[1].way()}: update {found:.2f}x")
    done = 6 * (weights * own + head * chosen) / statistics.median(ours) / 1e9
    for name, rate in rates.items():
        print(f"learner {done:.0f} of {rate:.0f} GFLOP/s of {name}, {100 * done / rate:.0f}%")


if __name__ == "__main__":
    main()

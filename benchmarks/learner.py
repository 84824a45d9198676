"""CPU milliseconds of one update: the learner against the obvious implementation, on a model like the lab's.

The obvious one pads every row of a fixed-size micro-batch, zero credit included, with an attention mask, and takes the
log-softmax of all positions' logits. Both compute the same REINFORCE gradient and take one AdamW step.

Times are the process's CPU time, the least of the repeats, so that other jobs on the machine disturb them little; run with
OMP_NUM_THREADS=1.

Run: `OMP_NUM_THREADS=1 python benchmarks/learner.py [--rows 512] [--repeats 3] [--zero 0.5] [--vocabulary 60] [--hidden 128]`
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from counterpoise.learner.logprob import statistics_from_hidden
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.types import Counts, Credit, LossOutput, Rollout, StopReason


def make_model(vocabulary: int, hidden: int, layers: int) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=4 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
        )
    )


def make_rollouts(rows: int, group: int, vocabulary: int) -> list[Rollout]:
    """Prompts of 12-24 tokens shared by a group; responses of 8-128 with a long tail, as sampled ones have."""
    draw = np.random.default_rng(0)
    rollouts = []
    for problem in range(rows // group):
        prompt = draw.integers(1, vocabulary, draw.integers(12, 25))
        for _ in range(group):
            length = int(min(128, 8 + draw.exponential(32)))
            rollouts.append(
                Rollout(
                    problem_id=str(problem),
                    prompt_ids=prompt,
                    token_ids=draw.integers(1, vocabulary, length),
                    mask=np.ones(length, dtype=np.bool_),
                    log_probs=np.full(length, -np.log(vocabulary), dtype=np.float32),
                    text="",
                    temperature=1.0,
                    stop_reason=StopReason.EOS,
                    policy_version=0,
                )
            )
    return rollouts


def loss(
    *, log_probs: torch.Tensor, plus: torch.Tensor, minus: torch.Tensor, mask: torch.Tensor, **_: Any
) -> LossOutput:
    return LossOutput(row_sums=-((plus - minus)[:, None] * log_probs * mask).sum(1), lengths=mask.sum(1), metrics={})


def make_counts(credit: Credit, lengths: torch.Tensor, scored: torch.Tensor) -> Counts:
    return Counts(
        tokens_all=int(lengths.sum()),
        tokens_signed=int(lengths[credit.nonzero].sum()),
        sequences_all=len(lengths),
        sequences_signed=int(credit.nonzero.sum()),
    )


def naive_update(model: Any, optimiser: Any, rollouts: list[Rollout], advantages: torch.Tensor, rows: int) -> None:
    tokens = sum(len(rollout.token_ids) for rollout in rollouts)
    for start in range(0, len(rollouts), rows):
        part = rollouts[start : start + rows]
        width = max(len(rollout.prompt_ids) + len(rollout.token_ids) for rollout in part)
        ids, present, chosen = (torch.zeros(len(part), width, dtype=torch.int64) for _ in range(3))
        for row, rollout in enumerate(part):
            prompt, end = len(rollout.prompt_ids), len(rollout.prompt_ids) + len(rollout.token_ids)
            ids[row, :end] = torch.from_numpy(np.concatenate([rollout.prompt_ids, rollout.token_ids]))
            present[row, :end] = 1
            chosen[row, prompt:end] = 1
        logits = model(input_ids=ids, attention_mask=present).logits[:, :-1].float()
        log_probs = torch.log_softmax(logits, dim=-1).gather(2, ids[:, 1:, None])[..., 0]
        (-(advantages[start : start + rows, None] * log_probs * chosen[:, 1:]).sum() / tokens).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return 1e3 * min(seconds)


def entropy_cost(rows: int, hidden: int, vocabulary: int, repeats: int) -> float:
    """What the entropy's two passes over the logits cost, as a share of the head's forward and backward pass."""
    states = torch.randn(rows, hidden, requires_grad=True)
    weight = torch.randn(vocabulary, hidden, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,))

    def with_it() -> None:
        statistics_from_hidden(states, weight, None, targets, temperature=1.0, chunk_tokens=1024, with_entropy=False)[
            0
        ].sum().backward()

    def entropy_alone() -> None:
        with torch.no_grad():
            for start in range(0, rows, 1024):
                z = states[start : start + 1024, :1] * weight[:, 0]
                z.mul_(z).sum(dim=-1)

    return milliseconds(entropy_alone, repeats) / milliseconds(with_it, repeats)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--zero", type=float, default=0.5, help="share of rows without credit (PSR, NSR: often half)")
    parser.add_argument("--vocabulary", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=LearnerSettings().tokens_per_microbatch)
    given = parser.parse_args()
    torch.manual_seed(0)

    model = make_model(given.vocabulary, given.hidden, given.layers)
    twin = copy.deepcopy(model)
    rollouts = make_rollouts(given.rows, given.group, given.vocabulary)
    draw = torch.Generator().manual_seed(0)
    advantages = torch.where(torch.rand(given.rows, generator=draw) < given.zero, 0.0, -1.0)
    credit = Credit(plus=advantages.clamp(min=0.0), minus=(-advantages).clamp(min=0.0))
    scored = torch.ones(given.rows, dtype=torch.bool)
    groups = np.arange(given.rows) // given.group
    accelerator: Any = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        process_index=0,
        mixed_precision="no",
        autocast=lambda: torch.autocast("cpu", enabled=False),
    )
    learner = Learner(
        model,
        accelerator=accelerator,
        settings=LearnerSettings(tokens_per_microbatch=given.tokens),
        loss=loss,
        divide=lambda output, counts: output.row_sums.sum() / counts.tokens_all,
        make_counts=make_counts,
    )
    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-6)
    report = learner.update(rollouts, credit, scored, groups, seed=0)
    ours = milliseconds(lambda: learner.update(rollouts, credit, scored, groups, seed=0), given.repeats)
    naive = milliseconds(lambda: naive_update(twin, optimiser, rollouts, advantages, 64), given.repeats)
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"model {size / 1e6:.2f}M parameters, vocabulary {given.vocabulary}, {torch.get_num_threads()} thread(s)")
    print(f"batch {given.rows} rows, {report.tokens_trained} response tokens trained, {report.tokens_saved} saved")
    print(f"naive   {naive:9.1f} CPU ms per update")
    print(f"learner {ours:9.1f} CPU ms per update   ratio {naive / ours:.2f}x")
    print("stages  " + ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in report.seconds.items()))
    share = entropy_cost(min(8192, report.tokens_trained), given.hidden, given.vocabulary, given.repeats)
    print(f"entropy of every token adds {100 * share:.1f}% to the head's forward and backward pass")


if __name__ == "__main__":
    main()

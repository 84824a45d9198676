"""One of one, two or three processes: trains on its share of the groups and writes what it ended with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import learner_builders as build
import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.credit.gae import moments
from counterpoise.diagnostics.histogram import add_histograms
from counterpoise.diagnostics.trained import TrainedTokens
from counterpoise.learner.critic import Critic
from counterpoise.learner.gradients import gather
from counterpoise.learner.settings import LearnerSettings
from counterpoise.losses.value import ValueLoss
from counterpoise.processes import Processes
from counterpoise.types import Rollout

SHARES = {1: [range(8)], 2: [range(6), range(6, 8)], 3: [[0, 1, 6, 7], [2, 3], [4, 5]]}
"""Rows by number of processes, two to a group. The second of two holds one group, without credit unless every row has some; three hold
them as the engine deals prompts."""
SOME, ALL = (1.0, -1.0, 0.0, -0.5, 0.0, 2.0, 0.0, 0.0), (1.0, -1.0, 0.5, -0.5, 1.0, 2.0, -1.0, 1.0)
CASES = {
    "whole": ({"epochs": 2}, SOME),
    "parts": ({"minibatch_prompts": 2, "tokens_per_microbatch": 16}, ALL),
    "parts_twice": ({"minibatch_prompts": 1, "epochs": 2}, SOME),
    # 4 rows with credit: 2 mini-batches an epoch, of which a process may have no row
    "rows": ({"minibatch_rows": 2, "epochs": 2, "schedule": "linear", "total_steps": 4}, SOME),
    "all_rows": ({"minibatch_rows": 3}, ALL),
}


CRITICS = {"critic": {}, "critic_parts": {"minibatch_prompts": 2}, "critic_rows": {"minibatch_rows": 3}}


def ids(rows: Sequence[int], processes: int) -> list[int]:
    """Groups of the whole batch, or numbered from 0 on each of three processes, as the engine numbers them."""
    return [row // 2 // (processes if processes == 3 else 1) for row in rows]


def fitted(
    accelerator: Accelerator, rollouts: list[Rollout], rows: Sequence[int], minibatch: dict[str, int]
) -> tuple[torch.Tensor, list[float]]:
    """Parameters of a critic after two batches, and the moments of its returns over all processes; row 5 has no verdict."""
    critic = Critic(
        build.llama(seed=accelerator.process_index),
        trunk="separate",
        accelerator=accelerator,
        settings=LearnerSettings(learning_rate=1e-2, tokens_per_microbatch=16, **minibatch),
        loss=ValueLoss(),
        divide=build.divide,
    )
    scored = torch.tensor([row != 5 for row in rows])
    for seed in (0, 1):
        values = critic.values(rollouts)
        returns = values.mask * torch.tensor([(-1.0) ** row for row in rows])[:, None]
        groups = np.array(ids(rows, accelerator.num_processes))
        critic.update(rollouts, values=values, returns=returns, scored=scored, group_ids=groups, seed=seed)

    values = critic.values(rollouts)
    seen = moments(values.tokens, values.mask & scored[:, None], world=Processes())
    flat = torch.cat([parameter.detach().flatten() for parameter in critic.state_dict()["parameters"]])
    return flat, [seen.count, seen.mean, seen.squares]


def main(output: Path) -> None:
    accelerator = Accelerator(cpu=True)
    rank, processes = accelerator.process_index, accelerator.num_processes
    rows = SHARES[processes][rank]
    everything = build.ragged(8)
    result = {"processes": processes}
    for name, (settings, advantages) in CASES.items():
        model = build.llama(seed=rank)  # processes start apart and must be brought together
        learner = build.learner(model, accelerator=accelerator, **settings)
        tokens, histograms = TrainedTokens(), {}
        report = learner.update(
            [everything[row] for row in rows],
            build.credit(*(advantages[row] for row in rows)),
            torch.ones(len(rows), dtype=torch.bool),
            ids(rows, processes),
            seed=0,
            measure_signs=True,
            observe=tokens,
            span=(0.25, 0.5),
        )
        for own in gather(tokens.histograms(), processes):
            add_histograms(histograms, own)
        metrics = {key: (value.total, value.count) for key, value in report.metrics.items()}
        counts = (report.optimiser_steps, report.tokens_trained, report.tokens_saved)
        quantiles = {
            key: (value.count, value.low, value.high, value.quantile(0.5)) for key, value in histograms.items()
        }
        result[name] = (build.parameters(model), metrics, counts, report.sampler_gap_max, quantiles)
    for name, minibatch in CRITICS.items():
        result[name] = fitted(accelerator, [everything[row] for row in rows], rows, minibatch)
    torch.save(result, output / f"{processes}-{rank}.pt")
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

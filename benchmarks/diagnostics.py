"""What diagnostics cost: CPU time of a training step of the lab without them, with those of every step, and with a look.

The three are taken in turn on the same prompts, seeds and weights, so that each does the same work; ratios are medians over the rounds.
Times are the process's CPU time, so that other jobs on the machine disturb them little; run with OMP_NUM_THREADS=1. The share of a look
that a run pays is what it adds over `diagnostics.every` steps.

Run: `OMP_NUM_THREADS=1 python benchmarks/diagnostics.py [--rounds 10] [learner.minibatch=none credit.rule=nsr …]`
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.diagnostics.rollouts import rollout_metrics, surprisal_histograms
from counterpoise.engines.local.assemble import assemble, make_learner, make_pipeline, make_sampler
from counterpoise.engines.local.diagnose import Diagnose, saved_tokens
from counterpoise.engines.local.order import ProblemOrder
from counterpoise.engines.local.policy import load_policy
from counterpoise.engines.local.step_record import step_record
from counterpoise.pipeline import Experience
from counterpoise.prompts import make_prompts
from counterpoise.rollouts.stopping import decode_rows
from counterpoise.runfile import load_config
from counterpoise.runs.anchors import draw_anchors
from counterpoise.types import Credit
from counterpoise.verifiers.judge import Judge

RECIPE = Path(__file__).parents[1] / "recipes" / "lab.toml"
KINDS = ("without", "every step", "look", "look and samples")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("overrides", nargs="*", help="settings of the run, e.g. learner.minibatch=none")
    given = parser.parse_args()
    config = load_config(RECIPE, given.overrides)
    torch.set_num_threads(1)
    assembly = assemble(config)
    policy = load_policy(config.model, seed=0)
    accelerator = Accelerator(cpu=True)
    learner = make_learner(config, policy, assembly, accelerator)
    sampler = make_sampler(config, policy, accelerator)
    order = ProblemOrder(assembly.train, per_step=config.rollout.prompts_per_step, seed=0)
    weights = copy.deepcopy(policy.model.state_dict())
    optimiser = copy.deepcopy(learner.state_dict())
    watching: list[float] = []

    def prompts(problems):
        return make_prompts(problems, policy.tokenizer, template=assembly.template)

    with Judge(timeout=5.0, workers=1) as judge, tempfile.TemporaryDirectory() as place:
        pipeline = make_pipeline(config, assembly, sampler, judge)
        anchors = draw_anchors(
            Path(place) / "anchors.jsonl",
            prompts(assembly.test[: config.diagnostics.rollouts]),
            sampler=sampler,
            settings=pipeline.settings,
            seed=1,
        )
        diagnose = Diagnose(config.diagnostics, learner, anchors, process=0, processes=1)

        def step(kind: str, index: int) -> float:
            policy.model.load_state_dict(weights)
            learner.load_state_dict(copy.deepcopy(optimiser))
            asked = prompts(order.at(index))
            # Index 0 is due, index 1 is not.
            due = int(not kind.startswith("look"))
            started = time.process_time()
            experience = pipeline.experience(asked, seed=index, policy_version=0)
            rows, trained = assembly.credit.select(experience.batch, experience.credit)
            with diagnose.update(experience, due) as measures:

                def observe(**tensors: torch.Tensor) -> None:
                    begun = time.process_time()
                    measures.tokens(**tensors)
                    watching[-1] += time.process_time() - begun

                if kind == "every step":
                    watching.append(0.0)
                report = learner.update(
                    [experience.batch.rollouts[row] for row in rows.tolist()],
                    Credit(plus=experience.credit.plus[rows], minus=experience.credit.minus[rows]),
                    experience.batch.scored[rows],
                    experience.batch.group_ids[rows].numpy(),
                    trained=trained,
                    seed=index,
                    measure_signs=diagnose.due(due),
                    observe={"without": None, "every step": observe}.get(kind, measures.tokens),
                )
            if kind == "without":
                spent = time.process_time() - started
                # what the pipeline measured of the rollouts comes off
                return spent - rollouts_measured(experience)
            measures.metrics |= saved_tokens(experience, rows[trained])
            step_record(experience, report, measures, seconds=1.0, epochs=1)
            if kind == "look and samples":
                diagnose.samples(experience, 0, lambda ids: decode_rows(policy.tokenizer, [ids])[0])
            spent = time.process_time() - started
            if kind == "every step":
                watching[-1] += rollouts_measured(experience)
            return spent

        def rollouts_measured(experience: Experience) -> float:
            begun = time.process_time()
            parts = experience.batch.rollouts, experience.verdicts
            rollout_metrics(*parts, experience.rewards, group_size=config.rollout.group_size)
            surprisal_histograms(*parts)
            return time.process_time() - begun

        step("look", 0)
        draw = np.random.default_rng(0)
        watching.clear()
        seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for index in range(given.rounds):
            for kind in draw.permutation(KINDS).tolist():
                seconds[kind].append(step(kind, index))
    bare = seconds["without"]
    print(
        f"{len(anchors)} anchors; {given.rounds} rounds; without: median {1e3 * statistics.median(bare):.0f} CPU ms a step"
    )
    timed = statistics.median(one / base for one, base in zip(watching, bare, strict=True))
    print(f"measured of rollouts and trained tokens at every step, timed alone: {100 * timed:.2f}% of a step")
    for kind in KINDS[1:]:
        before = bare if kind == "every step" else seconds["every step" if kind == "look" else "look"]
        added = [(one - other) / base for one, other, base in zip(seconds[kind], before, bare, strict=True)]
        low, middle, high = statistics.quantiles(added, n=4)
        line = f"{kind:17s} adds {100 * middle:6.2f}% of a step (quartiles {100 * low:.2f}, {100 * high:.2f})"
        every = config.diagnostics.every if kind == "look" else config.diagnostics.samples_every
        print(line + (f", {100 * middle / every:.2f}% at one in {every}" if kind != "every step" and every else ""))


if __name__ == "__main__":
    main()

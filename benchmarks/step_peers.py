"""CPU seconds of a whole training step against TRL's GRPOTrainer: same model, prompts, rows, tokens and updates, in turn.

Both sides are children of this process and wait for their turn between steps, so that neither computes while the other is measured;
a ratio is the median of the ratios of neighbours. Both draw the full number of tokens (no end id), get random rewards, so that no group
is without credit, and compute in float32 without gradient checkpointing. What is not the same: for several updates a batch TRL computes
log-probabilities of the batch once more without gradient, where ours takes those that the sampler recorded.

Run, in an environment that has TRL (`make bench` makes .venv-peers): `OMP_NUM_THREADS=1 python benchmarks/step_peers.py
[--model lab|smollm2] [--prompts 64] [--group 8] [--tokens 8] [--updates 4] [--steps 5]`
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MARK = "##"
TASK = ["tasks.name=countdown", "tasks.settings={count = 3, largest = 20}"]


def turn(words: str | None = None) -> None:
    """Say what the last step cost, and wait for the next one."""
    if words is not None:
        print(MARK, words, flush=True)
    if not sys.stdin.readline():
        raise SystemExit(0)


def configured(given: argparse.Namespace, folder: Path) -> Any:
    from counterpoise.runfile import COMMAND_LINE, parse_config

    words = [
        "run.threads=1",
        f"run.directory={folder}",
        f"model.name={given.model}",
        *TASK,
        f"rollout.prompts_per_step={given.prompts}",
        f"rollout.group_size={given.group}",
        f"rollout.max_tokens={given.tokens}",
        "credit.rule=grpo",
        "credit.reward=random",
        "credit.reward_settings={probability = 0.5}",
        "loss.name=ppo_clip",
        "learner.learning_rate=1e-6",
        f"learner.minibatch={given.prompts // given.updates}",
        f"learner.steps={given.steps + given.warm + 1}",
        "checkpoint.every_steps=1000000",
        "evaluation.before=false",
        "evaluation.after=false",
        # a look costs two more passes at the first step, which TRL's does not make
        "diagnostics.every=0",
    ]
    return parse_config({}, words, source=COMMAND_LINE)


def ours(given: argparse.Namespace) -> None:
    from counterpoise.build.checks import check_run
    from counterpoise.engines.local import train
    from counterpoise.engines.local.observer import Silent
    from counterpoise.rollouts import embedded
    from counterpoise.runs.directory import RunDirectory

    class Endless(embedded.EmbeddedSampler):
        def __init__(self, *positional: Any, **named: Any) -> None:
            super().__init__(*positional, **{**named, "eos_token_ids": ()})

    from counterpoise.engines.local import assemble

    assemble.EmbeddedSampler = Endless
    begun = 0.0

    class InTurn(Silent):
        def started(self, **_: Any) -> None:
            nonlocal begun
            turn()
            begun = time.process_time()

        def stepped(self, step: int, record: Any) -> None:
            nonlocal begun
            turn(f"{time.process_time() - begun:.3f} {record['response_tokens']:.1f}")
            begun = time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        config = configured(given, Path(folder))
        problems = check_run(config)
        train(RunDirectory.create(config), observer=InTurn(), problems=problems)


def theirs(given: argparse.Namespace) -> None:
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from counterpoise.build.checks import check_run
    from counterpoise.models.load import load_model
    from counterpoise.prompts import make_prompts

    torch.set_num_threads(1)
    folder = tempfile.mkdtemp()
    config = configured(given, Path(folder))
    problems = check_run(config)
    loaded = load_model(given.model, dtype="float32")
    prompts = make_prompts(problems.train[:2000], loaded.tokenizer, template=problems.template)
    rows, draw = given.prompts * given.group, random.Random(0)
    accumulated = max(1, rows // given.updates // given.microbatch)
    lengths: list[float] = []

    def reward(prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths.append(sum(map(len, completion_ids)) / len(completion_ids))
        return [float(draw.random() < 0.5) for _ in completions]

    class InTurn(TrainerCallback):
        begun: float | None = None

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % given.updates == 0:
                turn(None if self.begun is None else f"{time.process_time() - self.begun:.3f} {lengths[-1]:.1f}")
                self.begun = time.process_time()

    arguments = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=rows // given.updates // accumulated,
        gradient_accumulation_steps=accumulated,
        steps_per_generation=accumulated * given.updates,
        num_generations=given.group,
        max_completion_length=given.tokens,
        generation_kwargs={"min_new_tokens": given.tokens},
        max_steps=given.updates * (given.warm + given.steps + 1),
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    GRPOTrainer(
        model=loaded.model,
        processing_class=loaded.tokenizer,
        reward_funcs=reward,
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": prompt.text} for prompt in prompts]),
        callbacks=[InTurn()],
    ).train()


def one_step(child: subprocess.Popen[str]) -> tuple[float, float]:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    for line in child.stdout:
        if line.startswith(MARK):
            seconds, length = map(float, line.split()[1:])
            return seconds, length
    raise SystemExit(f"a side ended early: {child.args}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5, help="measured of each side")
    parser.add_argument("--warm", type=int, default=1, help="steps before them that are not counted")
    parser.add_argument("--microbatch", type=int, default=128, help="rows of one of TRL's forward passes")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        return {"ours": ours, "theirs": theirs}[given.side](given)
    from shared_prompts import product_rate

    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    children = {
        side: subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], "--side", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for side in ("ours", "theirs")
    }
    seconds: dict[str, list[float]] = {side: [] for side in children}
    rates = []
    for step in range(given.warm + given.steps):
        for side, child in children.items():
            taken, length = one_step(child)
            print(f"  {side} {taken:.2f} CPU s, {length:.1f} tokens a response", file=sys.stderr, flush=True)
            if step >= given.warm:
                seconds[side].append(taken)
        rates.append(product_rate(512, 128, 352) if given.model == "lab" else product_rate(512, 576, 1536))
    for child in children.values():
        child.kill()
        child.wait()
    ratio = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
    print(f"step, ours   {statistics.median(seconds['ours']):.3f} CPU s")
    print(f"step, TRL    {statistics.median(seconds['theirs']):.3f} CPU s   ratio {ratio:.2f}")
    print(f"product rate {statistics.median(rates):.1f} GFLOP/s")


if __name__ == "__main__":
    main()

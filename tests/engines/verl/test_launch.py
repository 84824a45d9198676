"""`counterpoise launch verl`: the lab's run file really trains in verl's trainer on two ranks, on the data that launch wrote."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import command, environment

from counterpoise.credit.gae import gae, moments, token_rewards, whiten

ROOT = Path(__file__).parents[3]
# What makes verl run on a CPU is no part of a run file.
OURS = (
    "ray_kwargs.",
    "transfer_queue.",
    "trainer.v1.sampler.",
    "data.dataloader_num_workers",
    "actor_rollout_ref.rollout.agent.",
    "reward.num_workers",
)
SINGLE = (
    "actor_rollout_ref.rollout.name", "actor_rollout_ref.model.use_remove_padding", "actor_rollout_ref.actor.use_torch_compile",
    "actor_rollout_ref.actor.fsdp_config.use_torch_compile", "actor_rollout_ref.model.override_config.attn_implementation",
)  # fmt: skip


def on_the_cpu(folder):
    for word in command(folder)[3:]:
        name = word.partition("=")[0].lstrip("+")
        if name.startswith(OURS) or name in SINGLE:
            yield from ("--engine", word)


SETTINGS = (
    "rollout.prompts_per_step=8", "learner.minibatch=4", "tasks.max_train=64", "learner.steps=2", "checkpoint.every_steps=2",
    "evaluation.before=false", "evaluation.after=false", "run.directory=runs", "verification.workers=1",
)  # fmt: skip


@pytest.fixture
def launched(tmp_path):
    """`launched(settings, gpus=2)`: the metrics of the two steps that verl's trainer made of the lab's run file, and their dumps."""
    dump = tmp_path / "dump"
    dump.mkdir()

    def launch(*settings, gpus):
        words = ["launch", "verl", str(ROOT / "recipes" / "lab.toml"), *SETTINGS, *settings]
        words += ["--cpu", "--gpus", str(gpus), *on_the_cpu(tmp_path)]
        log = tmp_path / "log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "counterpoise", *words], cwd=tmp_path, env=environment() | {"VERL_TEST_DUMP": str(dump)},
                stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(550)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        assert code == 0, log.read_text()[-3000:]
        return seen_of(tmp_path)

    return launch


def seen_of(folder):
    """By step, the metrics and the dump of a run."""
    lines = (folder / "runs" / "lab" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["data"] for line in lines]
    return [
        (step, torch.load(folder / "dump" / f"{number}.pt", weights_only=False))
        for number, step in enumerate(steps, start=1)
    ]


def test_the_labs_run_file_trains_in_verl(launched, tmp_path, read_by_other_commands):
    run = tmp_path / "runs" / "lab"
    steps = launched("credit.rule=weighted_reinforce", "learner.minibatch_unit=rows", "loss.entropy=1e-3", gpus=2)
    assert len(steps) == 2
    for number, (step, seen) in enumerate(steps, start=1):
        assert 0.2 < step["critic/score/mean"] < 0.9  # the lab's policy answers, and the verdicts are real
        assert step["credit/success_rate"] == step["critic/score/mean"] and step["credit/updates"] == 2
        assert step["actor/entropy_loss"] < 1  # nats a token: a sum over the mini-batch would be some hundred
        mask = seen["response_mask"].bool()
        right = seen["rm_scores"].sum(dim=1) == 1
        # verl takes the mean over tokens, and every row has credit: the divisor is undone, the rule's own numbers are left
        for rows, wanted in ((right, 0.1), (~right, -1.0)):
            values = seen["advantages"][rows][mask[rows]]
            torch.testing.assert_close(values, torch.full_like(values, wanted), rtol=1e-5, atol=0)
        passed = torch.load(tmp_path / "dump" / f"{number}.passed.pt", weights_only=False)
        assert set(passed["keys"]) == set(seen["keys"])
        gap = (passed["old_log_probs"] - passed["rollout_log_probs"])[passed["response_mask"].bool()]
        assert float(gap.abs().max()) < 1e-4
    read_by_other_commands(run / "global_step_2", run / "global_step_2" / "actor" / "huggingface", tmp_path / "model")
    out = tmp_path / "eval"
    words = [
        "eval",
        str(run / "global_step_2"),
        "--task",
        "countdown",
        "--n",
        "4",
        "--problems",
        "8",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "counterpoise", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    curve = {row["k"]: row["estimate"] for row in json.loads((out / "passk.json").read_text())["curve"]}
    assert curve[1] > 0.1  # the lab's policy with its own tokenizer and template


PPO = ("credit.rule=ppo", "loss.denominator=tokens_all", "credit.settings.gamma=0.98", "credit.settings.lam=0.9")


def test_verls_own_ppo_trains_from_a_run_file(launched, tmp_path):
    check_ppo(launched(*PPO, gpus=1), tmp_path)


def check_ppo(steps, folder):
    """Verdicts of +1 and -1, advantages that are ours of the values that verl's critic gave, and a critic that is trained."""
    assert len(steps) == 2
    for step, seen in steps:
        mask = seen["response_mask"].bool()
        scores = seen["rm_scores"].sum(dim=1)
        assert set(scores.tolist()) == {-1.0, 1.0} and -0.6 < step["critic/score/mean"] < 0.8
        raw = gae(token_rewards(scores, mask), seen["values"], mask, gamma=0.98, lam=0.9)
        wanted = whiten(raw, mask, measured=moments(raw, mask), ddof=1, eps=1e-8)
        torch.testing.assert_close(seen["advantages"].double(), wanted, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            seen["returns"].double(), torch.where(mask, raw + seen["values"], 0.0), rtol=0, atol=1e-5
        )
        assert step["actor/grad_norm"] > 0 and step["critic/grad_norm"] > 0
        assert not any(name.startswith("credit/") for name in step)  # the credit is verl's own
    assert (folder / "runs" / "lab" / "global_step_2" / "critic").is_dir()

"""`counterpoise launch verl`: the lab's run file really trains in verl's trainer on two ranks, on the data that launch wrote."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from command import command, environment
from safetensors.torch import load_file
from typer.testing import CliRunner

from counterpoise.cli.app import app

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


def read_by_other_commands(checkpoint, out):
    """`explain` and `model export` in this process, which has imported what they need."""
    words = [
        "--task",
        "countdown",
        "--problems",
        "1",
        "--rollouts",
        "2",
        "--rule",
        "nsr",
        "--json",
        "rollout.max_tokens=8",
    ]
    looked = CliRunner().invoke(app, ["explain", str(checkpoint), *words])
    assert looked.exit_code == 0, looked.output
    assert [one["rule"] for one in json.loads(looked.stdout)["rules"]] == ["nsr"]
    done = CliRunner().invoke(app, ["model", "export", str(checkpoint), "-o", str(out)])
    assert done.exit_code == 0, done.output
    trained, exported = (load_file(one / "model.safetensors") for one in (checkpoint / "actor" / "huggingface", out))
    assert set(trained) == set(exported) and all(torch.equal(trained[name], exported[name]) for name in trained)


def test_the_labs_run_file_trains_in_verl(tmp_path):
    dump = tmp_path / "dump"
    dump.mkdir()
    settings = [
        "credit.rule=weighted_reinforce", "rollout.prompts_per_step=8", "learner.minibatch=4", "learner.minibatch_unit=rows",
        "loss.entropy=1e-3", "tasks.max_train=64", "learner.steps=2", "checkpoint.every_steps=2", "evaluation.before=false",
        "evaluation.after=false", "run.directory=runs", "verification.workers=1",
    ]  # fmt: skip
    words = [
        "launch",
        "verl",
        str(ROOT / "recipes" / "lab.toml"),
        *settings,
        "--cpu",
        "--gpus",
        "2",
        *on_the_cpu(tmp_path),
    ]
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
    run = tmp_path / "runs" / "lab"
    steps = [json.loads(line)["data"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 2
    for number, step in enumerate(steps, start=1):
        assert 0.2 < step["critic/score/mean"] < 0.9  # the lab's policy answers, and the verdicts are real
        assert step["credit/success_rate"] == step["critic/score/mean"] and step["credit/updates"] == 2
        assert step["actor/entropy_loss"] < 1  # nats a token: a sum over the mini-batch would be some hundred
        seen = torch.load(dump / f"{number}.pt", weights_only=False)
        mask = seen["response_mask"].bool()
        right = seen["rm_scores"].sum(dim=1) == 1
        # verl takes the mean over tokens, and every row has credit: the divisor is undone, the rule's own numbers are left
        for rows, wanted in ((right, 0.1), (~right, -1.0)):
            values = seen["advantages"][rows][mask[rows]]
            torch.testing.assert_close(values, torch.full_like(values, wanted), rtol=1e-5, atol=0)
        passed = torch.load(dump / f"{number}.passed.pt", weights_only=False)
        assert set(passed["keys"]) == set(seen["keys"])
        gap = (passed["old_log_probs"] - passed["rollout_log_probs"])[passed["response_mask"].bool()]
        assert float(gap.abs().max()) < 1e-4
    read_by_other_commands(run / "global_step_2", tmp_path / "model")
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

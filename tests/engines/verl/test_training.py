"""verl's own trainer on a local Ray cluster with two FSDP2 ranks on the CPU, a tiny random Qwen2, real generation."""

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from command import command, environment
from make_model import make_data, make_model

from counterpoise.engines.contract import PARITY, parity_gap
from counterpoise.engines.outside import compose, rewarded_batch
from counterpoise.losses import counts
from counterpoise.types import Rollout, StopReason


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verl")
    make_model(folder / "model")
    make_data(folder / "train.parquet")
    return folder


@pytest.fixture
def train(folder):
    """`train("nsr", steps=5, …)`: the finished process and the metrics of its steps. No process of Ray's outlives it."""
    started = []

    def start(credit, *, out, settings=(), **named):
        log = folder / f"{out}.log"
        dump = folder / f"{out}.dump"
        dump.mkdir(exist_ok=True)
        own = {f"+algorithm.counterpoise.{name}": value for name, value in credit.items()}
        arguments = command(folder, out=out, **named, **own, **dict(settings))
        with log.open("a") as stream:
            process = subprocess.Popen(
                arguments, cwd=folder, env=environment() | {"VERL_TEST_DUMP": str(dump)}, stdout=stream, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process, log

    def train(credit, *, out, timeout=600, **named):
        process, log = start(credit, out=out, **named)
        process.wait(timeout)
        return process.returncode, log.read_text(), history(folder, out)

    train.start = start
    yield train
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def history(folder, out):
    """Metrics of each step of the last run, as verl's tracker `file` has written them: it begins anew with each."""
    path = folder / "metrics" / "p" / f"{out}.jsonl"
    if not path.exists():
        return []
    return [line["data"] | {"step": line["step"]} for line in map(json.loads, path.read_text().splitlines())]


def by_hand(step, parts, *, minibatch=16, processes=2):
    """Advantages of a dumped step from parts alone, which keep state: one credit of rows that are not padding, divided by mini-batch."""
    mask = step["response_mask"].bool()
    infos = [extra["reward_extra_info"] for extra in step["extra_fields"]]
    rewards = step["rm_scores"].sum(dim=1).double()
    rewards[torch.tensor([not info["scored"] for info in infos])] = torch.nan
    uids = {uid: place for place, uid in enumerate(dict.fromkeys(step["uid"]))}
    batch = rewarded_batch(
        rewards,
        low=0,
        high=1,
        group_ids=torch.tensor([uids[uid] for uid in step["uid"]]),
        lengths=mask.sum(dim=1),
        task_types=step["data_source"],
        rollouts=[
            Rollout(
                problem_id=uid, prompt_ids=np.zeros(0, dtype=np.int64), token_ids=ids[own].numpy(), mask=own[own].numpy(),
                log_probs=log_probs[own].numpy(), text="", temperature=1.0, stop_reason=StopReason.EOS, policy_version=0,
            )
            for uid, ids, own, log_probs in zip(
                step["uid"], step["responses"], mask, step.get("old_log_probs", step["rollout_log_probs"]), strict=True
            )
        ],
    )  # fmt: skip
    signed, _ = parts.step(batch)
    advantages = torch.zeros(mask.shape, dtype=torch.float64)
    half, share = len(mask) // processes, minibatch // processes
    for first in range(0, half, share):
        rows = torch.tensor([rank * half + first + place for rank in range(processes) for place in range(share)])
        own, some = signed.rows(rows), batch.rows(rows)
        divisor = max(1, counts(own, some.lengths, some.scored).tokens_signed)
        value = own.advantages if own.advantages.ndim == 2 else own.advantages.unsqueeze(1).expand(-1, mask.shape[1])
        advantages[rows, : value.shape[1]] = value.double() / divisor * mask[rows, : value.shape[1]]
    return advantages


DYNAMIC = {"rule": "reinforce", "controller": "share"}


@pytest.mark.parametrize(
    ("rule", "more", "own"),
    [
        ("nsr", {}, {}),
        ("weighted_reinforce", {"token_weights": "probability"}, {"task_key": "data_source"}),
        ("reinforce", {"controller": "share"}, {"task_key": "data_source"}),
    ],
)
def test_five_steps_have_our_advantages_and_the_samplers_log_probabilities(train, folder, rule, more, own):
    settings = {
        "actor_rollout_ref.actor.ppo_mini_batch_size": 4,
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 1,  # any two rows that a mini-batch can spare are not sent
        "+reward.custom_reward_function.reward_kwargs.unscored": True,
        "+algorithm.counterpoise.max_unscored": 0.6,
    }
    if rule == "nsr":  # some responses the function hangs at, and a step takes no longer than its limit
        settings |= {
            "+reward.custom_reward_function.reward_kwargs.hangs": True,
            "+algorithm.counterpoise.reward_timeout": 1.0,
        }
    credit = {"rule": rule, **more}
    code, log, steps = train(credit | own, out=rule, settings=settings)
    assert code == 0, log[-3000:]
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5]
    parts = compose(credit, engine="here", steps=5, length=8, token_weights=True)
    credited, reasons = [], []
    for number, step in enumerate(steps, start=1):
        seen = torch.load(folder / f"{rule}.dump" / f"{number}.pt", weights_only=False)
        wanted = by_hand(seen, parts)
        reasons += [str(extra["reward_extra_info"].get("reason", "")) for extra in seen["extra_fields"]]
        torch.testing.assert_close(seen["advantages"].double(), wanted, rtol=1e-6, atol=1e-9)
        credited.append(float(wanted.abs().max()) > 0)
        mask = seen["response_mask"].bool()
        whole = bool(more)  # both read log-probabilities of every row
        sent = folder / f"{rule}.dump" / f"{number}.sent.pt"
        sent = torch.load(sent, weights_only=False) if sent.exists() else []
        # a step may be so that its mini-batches can spare no row
        assert ("old_log_probs" in seen) == (whole or len(sent) == len(seen["keys"]))
        passes = folder / f"{rule}.dump" / f"{number}.passed.pt"
        assert passes.exists() == (credited[-1] or whole)  # no pass is made for nothing
        if passes.exists():
            passed = torch.load(passes, weights_only=False)
            inside = passed["response_mask"].bool()
            assert (
                parity_gap(passed["rollout_log_probs"], passed["old_log_probs"], inside) < PARITY
            )  # the weights were pushed
            assert 0 < step["actor/entropy"] < 6  # nats a token, whatever the loss does with tokens
        real = ~torch.tensor(seen["padding"])
        drawn = -(seen["rollout_log_probs"].double() * mask)[real].sum() / mask[real].sum()
        assert step["credit/entropy_sampled"] == pytest.approx(
            float(drawn), rel=1e-6
        )  # of every response, whatever is left out
        if credited[-1]:
            assert step["credit/updates"] == 2 and step["actor/grad_norm"] > 0 and step["credit/minus"] > 0
        else:
            assert step["credit/updates"] == 0 and step["credit/tokens_saved"] == int(mask.sum())
            continue  # nothing was worth sending
        assert passed["keys"] == (seen["keys"] if whole else sent)
        left = torch.tensor([key not in sent for key in seen["keys"]])
        assert wanted[left].abs().sum() == 0 and len(set(sent)) == len(sent)
        assert step["credit/tokens_saved"] == int(mask[left].sum())
    assert (
        all(credited) if not more.get("controller") else any(credited)
    )  # `share` holds back until a response was right
    # Of a random policy's 32 responses few are right, in some step none.
    assert (max(step["credit/plus"] for step in steps) == 0) == (rule == "nsr")
    assert max(step["credit/unscored"] for step in steps) > 0
    assert any(one.startswith("timeout: compute_score of ") for one in reasons) == (rule == "nsr")
    assert max(step["credit/tokens_saved"] for step in steps) > 0  # what has no credit is not sent to the actor
    assert ("credit/success_rate/a" in steps[0]) == bool(own)


def test_a_killed_worker_ends_in_one_line_and_the_run_goes_on_from_its_checkpoint(train, folder):
    process, log = train.start(DYNAMIC, out="dynamic", steps=60, settings={"trainer.save_freq": 2})
    marker = folder / "dynamic" / "latest_checkpointed_iteration.txt"
    deadline = time.monotonic() + 400
    while not marker.exists():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
    worker = int(re.search(r"\(WorkerDict pid=(\d+)\)", log.read_text()).group(1))
    os.kill(worker, signal.SIGKILL)
    assert process.wait(200) != 0
    assert "a worker of the run died in step" in log.read_text()
    reached = int(marker.read_text())
    code, text, steps = train(DYNAMIC, out="dynamic", steps=reached + 3, settings={"trainer.save_freq": 2})
    assert code == 0, text[-3000:]
    assert [step["step"] for step in steps] == [reached + 1, reached + 2, reached + 3]
    state = json.loads((folder / "dynamic" / f"global_step_{reached}" / "counterpoise.json").read_text())
    fresh = compose(DYNAMIC, engine="here", steps=5, length=8).step.controller.state_dict()
    assert state["rule"] == "reinforce" and state["states"]["controller"] != fresh


def test_sixty_steps_raise_the_reward_of_an_easy_task(train):
    code, log, steps = train({"rule": "grpo"}, out="easy", steps=60)
    assert code == 0, log[-3000:]
    reward = [step["critic/rewards/mean"] for step in steps]
    assert sum(reward[-10:]) / 10 > sum(reward[:10]) / 10 + 0.1


def test_rows_without_credit_are_removed_and_updates_and_passes_are_fewer(train, folder):
    settings = {
        "actor_rollout_ref.actor.ppo_mini_batch_size": 2, "actor_rollout_ref.actor.loss_agg_mode": "token-mean",
        "actor_rollout_ref.actor.use_kl_loss": True, "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": 16,
    }  # fmt: skip
    code, log, steps = train({"rule": "psr", "remove_rows": True}, out="removed", steps=3, settings=settings)
    assert code == 0, log[-3000:]
    for number, step in enumerate(steps, start=1):
        right = round(step["credit/success_rate"] * 32)
        assert step["credit/updates"] == -(-right // 8)
        passes = [folder / "removed.dump" / f"{number}.{name}.pt" for name in ("passed", "reference", "sent")]
        if not right:
            assert not any(one.exists() for one in passes)
            continue
        passed, reference, sent = (torch.load(one, weights_only=False) for one in passes)
        assert passed["keys"] == reference == sent and len(sent) == step["credit/updates"] * 8
        assert step["actor/kl_loss"] >= 0


def test_verls_remote_manager_and_its_importance_weights(train, folder):
    settings = {
        "reward.reward_manager.name": "remote",  # takes plain functions alone, and pickles them
        "+reward.custom_reward_function.reward_kwargs.hangs": True,
        "+algorithm.counterpoise.reward_timeout": 1.0,
        "+algorithm.counterpoise.max_unscored": 0.6,
        "algorithm.rollout_correction.rollout_is": "token",
    }
    code, log, steps = train({"rule": "nsr"}, out="remote", steps=2, settings=settings)
    assert code == 0, log[-3000:]
    parts, reasons = compose("nsr", engine="here", steps=2, length=8, token_weights=True), []
    for number, step in enumerate(steps, start=1):
        seen = torch.load(folder / "remote.dump" / f"{number}.pt", weights_only=False)
        wanted = by_hand(seen, parts, minibatch=32)
        torch.testing.assert_close(seen["advantages"].double(), wanted, rtol=1e-6, atol=1e-9)
        reasons += [str(extra["reward_extra_info"].get("reason", "")) for extra in seen["extra_fields"]]
        # sampler and learner agree
        assert step["rollout_corr/rollout_is_mean"] == pytest.approx(1.0, abs=1e-4) and step["actor/grad_norm"] > 0
    assert any(one.startswith("timeout: compute_score of ") for one in reasons)


def test_a_reward_function_that_raises_ends_the_run_in_one_line(train):
    settings = {"+reward.custom_reward_function.reward_kwargs.broken": True}
    code, log, steps = train(
        {"rule": "nsr"}, out="broken", steps=3, settings=settings, module="counterpoise.engines.verl"
    )
    assert code != 0 and steps == []
    (said,) = [line for line in log.splitlines() if line.startswith("error: ")]
    assert said.startswith("error: step 1: ") and "rollouts cannot be learned from" in said
    assert "lost, since the reward function or the agent loop raised" in said

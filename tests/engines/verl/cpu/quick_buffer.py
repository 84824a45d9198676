"""verl's replay buffer, which looks every 0.05 seconds and not every 2 whether a step's rollouts are there.

It is loaded in the driver, so that what the tests want to see of a step is written here, too: $VERL_TEST_DUMP/STEP.pt.
"""

import os
from pathlib import Path

import torch
import transfer_queue as tq
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

_STEP = [
    "uid", "response_mask", "rm_scores", "rollout_log_probs", "old_log_probs", "advantages", "extra_fields", "responses", "data_source",
]  # fmt: skip
_PASS = ["response_mask", "rollout_log_probs", "old_log_probs"]


class QuickBuffer(ReplayBuffer):
    def __init__(self, **named):
        super().__init__(**named, poll_interval=0.05)


def _dumped(self, name, held):
    torch.save(held, Path(os.environ["VERL_TEST_DUMP"]) / f"{self.global_steps}{name}.pt")


def _held(batch, fields):
    return tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)


def _measured(compute):
    """A whole step as verl's metrics find it: `old_log_probs` are among its fields where every row has them."""

    def seen(self, batch, *rest, **named):
        data = _held(batch, _STEP)
        step = {name: data.pop(name).tolist() for name in ("uid", "extra_fields", "data_source")}
        step |= dict(data.to_padded_tensor().items())
        step |= {"keys": list(batch.keys), "padding": [bool(tag.get("is_padding", False)) for tag in batch.tags]}
        _dumped(self, "", step)
        return compute(self, batch, *rest, **named)

    return seen


def _passed(compute):
    """The rows that old log-probabilities were computed of."""

    def seen(self, batch, metrics):
        out = compute(self, batch, metrics)
        own = dict(_held(batch, _PASS).to_padded_tensor().items())
        _dumped(self, ".passed", own | {"keys": list(batch.keys)})
        return out

    return seen


def _counted(compute, name):
    def seen(self, batch, metrics):
        _dumped(self, name, list(batch.keys))
        return compute(self, batch, metrics)

    return seen


if os.environ.get("VERL_TEST_DUMP"):
    own = trainer_base.PPOTrainer
    own._compute_metrics, own._compute_old_log_prob = (
        _measured(own._compute_metrics),
        _passed(own._compute_old_log_prob),
    )
    own._compute_ref_log_prob = _counted(own._compute_ref_log_prob, ".reference")
    own._update_actor = _counted(own._update_actor, ".sent")

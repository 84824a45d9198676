"""verl's replay buffer, which looks every 0.05 seconds and not every 2 whether a step's rollouts are there.

It is loaded in the driver, so that what the tests want to see of a step is written here, too: $VERL_TEST_DUMP/STEP.pt.
"""

import os
from pathlib import Path

import torch
import transfer_queue as tq
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

_FIELDS = [
    "uid", "response_mask", "rm_scores", "old_log_probs", "rollout_log_probs", "advantages", "extra_fields", "responses", "data_source",
]  # fmt: skip


class QuickBuffer(ReplayBuffer):
    def __init__(self, **named):
        super().__init__(**named, poll_interval=0.05)


def _dumped(self, name, held):
    torch.save(held, Path(os.environ["VERL_TEST_DUMP"]) / f"{self.global_steps}{name}.pt")


def _credited(compute):
    def seen(self, batch, metrics):
        out = compute(self, batch, metrics)
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=_FIELDS)
        step = {name: data.pop(name).tolist() for name in ("uid", "extra_fields", "data_source")}
        step |= dict(data.to_padded_tensor().items())
        step |= {"keys": list(batch.keys), "padding": [bool(tag.get("is_padding", False)) for tag in batch.tags]}
        _dumped(self, "", step)
        return out

    return seen


def _updated(update):
    def seen(self, batch, metrics):
        _dumped(self, ".sent", list(batch.keys))
        return update(self, batch, metrics)

    return seen


if os.environ.get("VERL_TEST_DUMP"):
    own = trainer_base.PPOTrainer
    own._compute_advantage, own._update_actor = _credited(own._compute_advantage), _updated(own._update_actor)

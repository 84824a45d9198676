"""verl's replay buffer, which looks every 0.05 seconds and not every 2 whether a step's rollouts are there.

It is loaded in the driver, so that what the tests want to see of a step is written here, too: $VERL_TEST_DUMP/STEP.pt.
"""

import os
from pathlib import Path

import torch
import transfer_queue as tq
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

_FIELDS = ["uid", "response_mask", "rm_scores", "old_log_probs", "rollout_log_probs", "advantages", "extra_fields"]


class QuickBuffer(ReplayBuffer):
    def __init__(self, **named):
        super().__init__(**named, poll_interval=0.05)


def _watched(update):
    def seen(self, batch, metrics):
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=_FIELDS)
        step = {name: data.pop(name).tolist() for name in ("uid", "extra_fields")}
        step |= dict(data.to_padded_tensor().items())
        step |= {"keys": list(batch.keys), "padding": [bool(tag.get("is_padding", False)) for tag in batch.tags]}
        torch.save(step, Path(os.environ["VERL_TEST_DUMP"]) / f"{self.global_steps}.pt")
        return update(self, batch, metrics)

    return seen


if os.environ.get("VERL_TEST_DUMP"):
    trainer_base.PPOTrainer._update_actor = _watched(trainer_base.PPOTrainer._update_actor)

"""One process of two under torchrun: trains two steps and writes what it saw (a test reads it)."""

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from trl import GRPOConfig

from counterpoise.engines.trl import SignedGRPOTrainer
from counterpoise.models.load import load_model

out = Path(sys.argv[1])
policy = load_model("lab")
rows = Dataset.from_list([{"prompt": f"1,{i},9={i}\n", "answer": "x"} for i in range(2, 18)])
args = GRPOConfig(
    str(out / "run"), use_cpu=True, bf16=False, per_device_train_batch_size=16, num_generations=8, max_completion_length=12, max_steps=2,
    learning_rate=3e-5, logging_steps=1, report_to="none", save_strategy="no", disable_tqdm=True,
)  # fmt: skip


def parity(completions, completion_ids, **_):
    """Right where the length is odd; every fifth row of each process has no score."""
    return [None if row % 5 == 4 else float(len(ids) % 2) for row, ids in enumerate(completion_ids)]


trainer = SignedGRPOTrainer(
    policy.model, parity, args, train_dataset=rows, processing_class=policy.tokenizer, credit=json.loads(sys.argv[2])
)
seen = []
replace = trainer._replace_advantages


def watched(batch):
    rewards = trainer._rewarded[0][:, 0].tolist()
    replace(batch)
    lengths = batch["completion_mask"].sum(dim=1).tolist()
    seen.append(
        {
            "rewards": rewards,
            "advantages": batch["advantages"].tolist(),
            "lengths": lengths,
            "divisor": int(batch["num_items_in_batch"]),
        }
    )


trainer._replace_advantages = watched
trainer.train()
rank = int(os.environ.get("RANK", "0"))
weights = torch.cat([p.detach().flatten() for p in trainer.model.parameters()]).double()
(out / f"rank{rank}.json").write_text(
    json.dumps({"processes": trainer.accelerator.num_processes, "steps": seen, "weights": float(weights.norm())})
)

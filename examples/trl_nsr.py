"""NSR in TRL's trainer: `GRPOTrainer` becomes `SignedGRPOTrainer`, and one argument names the rule (pip install -e '.[trl]')."""

import sys

import torch
from datasets import Dataset
from trl import GRPOConfig

from counterpoise.engines.trl import SignedGRPOTrainer, verdict_reward

model = sys.argv[1] if len(sys.argv) > 1 else "Qwen/Qwen2.5-0.5B-Instruct"
questions = [
    ("What is 17 * 3?", "51"),
    ("What is 144 / 12?", "12"),
    ("What is 2^10?", "1024"),
    ("What is 91 - 45?", "46"),
]
here = {} if torch.cuda.is_available() else {"use_cpu": True, "bf16": False}
ask = "{} Put the answer in \\boxed{{}}."
rows = Dataset.from_list([{"prompt": [{"role": "user", "content": ask.format(q)}], "answer": a} for q, a in questions])

trainer = SignedGRPOTrainer(
    model,
    verdict_reward("math"),  # 1 right, 0 wrong, None where the verifier could not tell
    GRPOConfig("runs/trl-nsr", max_steps=10, num_generations=8, max_completion_length=128, logging_steps=1, **here),
    train_dataset=rows,
    credit="nsr",  # or {"rule": "grpo", "emphasis": "focal", "controller": "share"}
)
trainer.train()

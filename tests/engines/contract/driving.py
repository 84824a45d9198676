"""What the drivers of the contract share: the step, the policy, and the three published mistakes as advantages."""

import torch

from counterpoise.engines.contract import fixed_step
from counterpoise.engines.outside import compose

IDS = range(65, 97)
LENGTH, STEPS, SIZE = 12, 4, 8
STEP = fixed_step(IDS)
KINDS = ("a", "b")


def load_policy(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32, attn_implementation="sdpa")


def load_tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder / "model")


def parts_of(credit, denominator=None):
    """The credit that the engine's answer is held against."""
    return compose(
        credit, engine="here", steps=STEPS, length=LENGTH, denominator=denominator, kinds=KINDS, token_weights=True
    )


SHARED = [
    "grpo",  # a baseline of the group
    {"rule": "nsr", "all_wrong_cap": 0.3},  # masses of the whole step
    {"rule": "reinforce", "controller": "share", "emphasis": "focal"},  # its share of right answers
    {
        "rule": "gdpo",
        "settings": {"dimensions": {"verdict": 1.0, "form": 0.5, "brief": 0.25}},
    },  # whitened over the step
]
"""Credit that no process can have of its own rollouts alone."""


def rewards():
    return torch.tensor([float("nan") if reward is None else reward for reward in STEP.rewards])


def weighed_rewards():
    """The first published mistake: the weights of the signs are put on the rewards, and the engine normalises them after that."""
    return torch.where(rewards() == 1.0, 0.1, torch.where(rewards() == 0.0, -1.0, torch.nan))


def masked_later(advantages):
    """The third: a GRPO that ran as ever, and rows taken out of it by rewards that were kept since generation, in another order."""
    order = torch.randperm(len(STEP.rewards), generator=torch.Generator().manual_seed(0))
    return torch.where((rewards()[order] == 1.0).reshape(-1, *[1] * (advantages.ndim - 1)), 0.0, advantages)

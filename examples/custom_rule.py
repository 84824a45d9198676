"""A credit rule of your own: any function of (rewards, group statistics) that returns one signed number per rollout.

This one is NSR that spares hopeless problems: wrong answers are pushed down in proportion to how often their group was
right, so that a prompt the policy never solves teaches nothing. `statistics` holds, for each rollout, what its group did:
n scored rollouts, c right ones, success rate p, mean and sum of squares of the rewards.
"""

import torch

from counterpoise.credit import GroupStatistics, make_emphasis, signed_credit


def hopeful_nsr(rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
    return torch.where(statistics.correct, 0.0, -statistics.p)


correct = torch.tensor([True, False, False, False, False, False, False, False])
batch = {
    "rewards": torch.where(correct, 1.0, -1.0),
    "correct": correct,
    "scored": torch.ones(8, dtype=torch.bool),
    "group_ids": torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]),
}
credit = signed_credit(rule=hopeful_nsr, **batch)
print("minus         ", credit.minus.tolist())  # a quarter in the first group, nothing in the second
assert credit.minus.tolist() == [0.0, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]
assert not credit.plus.any()

# Everything that acts on credit works on a rule of yours too: lambdas, emphasis, the cap on all-wrong groups.
weighed = signed_credit(rule=hopeful_nsr, lambda_minus=2.0, emphasis=make_emphasis("none"), **batch)
print("lambda_minus 2", weighed.minus.tolist())
assert torch.equal(weighed.minus, 2 * credit.minus)

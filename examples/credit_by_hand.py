"""Signed credit and a loss on plain tensors: what a trainer with a loop of its own calls.

Eight rollouts of two prompts, as TRL or verl hold them at the point where they compute advantages: rewards (N,), a group
of each row, log-probabilities (N, T) and a mask. No record of counterpoise goes in, tensors come out.
"""

import torch

from counterpoise.credit import TokenContext, make_rule, make_token_weights, signed_credit, weigh_tokens
from counterpoise.losses import counts, make_divide, make_loss

torch.manual_seed(0)
rewards = torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 0.0])
scored = torch.tensor([True] * 7 + [False])  # the last one's verifier timed out: no evidence, not a wrong answer
group_ids = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
mask = torch.arange(6) < torch.tensor([6, 3, 4, 6, 2, 5, 6, 6])[:, None]
log_probs = (-torch.rand(8, 6)).requires_grad_()  # of the policy that is trained
old_log_probs = log_probs.detach() + 0.01 * torch.randn(8, 6)  # of the policy that sampled

credit = signed_credit(
    rewards=rewards,
    correct=rewards > 0,
    scored=scored,
    group_ids=group_ids,
    rule=make_rule("weighted_reinforce", **{"lambda": 0.1}),
)
print("plus ", [round(value, 3) for value in credit.plus.tolist()])
print("minus", [round(value, 3) for value in credit.minus.tolist()])

# A trainer that wants one signed advantage per row, and keeps its own loss, stops here.
advantages = credit.plus - credit.minus

# Token weights move a response's credit between its tokens, here to those that the policy was sure of: (N,) credit becomes (N, T).
context = TokenContext(
    log_probs=old_log_probs,
    mask=mask,
    token_ids=torch.zeros_like(mask, dtype=torch.int64),  # read by conflict_mask alone
    group_ids=group_ids,
    correct=rewards > 0,
    scored=scored,
)
credit = weigh_tokens(credit, make_token_weights("unlikelihood")(context))
print("minus of the fourth row, by token", [round(value, 3) for value in credit.minus[3].tolist()])

# One that wants the loss as well divides by counts; over several micro-batches or processes it adds the counts up first.
loss = make_loss("ppo_clip")(
    log_probs=log_probs, old_log_probs=old_log_probs, plus=credit.plus, minus=credit.minus, mask=mask
)
divide = make_divide("tokens_signed")
value = divide(loss, counts(credit, mask.sum(dim=1), scored))
value.backward()
print(f"loss {value.item():+.4f}, largest gradient {log_probs.grad.abs().max().item():.4f}")
assert torch.equal(advantages[~scored], torch.zeros(1))
assert torch.equal(log_probs.grad[~scored], torch.zeros(1, 6))

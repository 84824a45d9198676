"""What every engine owes: a fixed group of rollouts and rewards has the local engine's advantages, loss and gradient."""

import math

import pytest
import torch

from counterpoise.credit import RULES, Needs, needs_of
from counterpoise.engines.outside import compose
from counterpoise.engines.trl import SignedGRPOTrainer
from counterpoise.losses import counts, make_loss
from counterpoise.types import Batch

GROUPS, SIZE = 4, 8
# right, wrong and unscored: a mixed group, one all right, one all wrong, one with three that nobody scored
MARKS = "++--+---++++++++--------+-??-?--"
REWARDS = [{"+": 1.0, "-": 0.0, "?": None}[mark] for mark in MARKS]
OUTSIDE = [
    {"rule": name, "settings": {"k": 4}} if name == "passk" else name
    for name in sorted(RULES)
    if not needs_of(name) & (Needs.CRITIC | Needs.PARTS)
]


def fixed(trainer, policy):
    """Make the trainer generate the same responses always, of lengths 3 to 9, and score them with `REWARDS`."""
    generator = torch.Generator().manual_seed(0)
    lengths = [3 + i % 7 for i in range(GROUPS * SIZE)]
    ids = [torch.randint(4, 20, (length,), generator=generator).tolist() for length in lengths]

    def generate(prompts):
        prompt_ids = [policy.tokenizer(prompt)["input_ids"] for prompt in prompts]
        own = ids[: len(prompts)]
        return prompt_ids, own, None, ["…"] * len(prompts), None, {}, None, None

    trainer._generate = generate
    trainer.reward_funcs = [lambda completions, **_: REWARDS]
    return lengths


def by_trl(trainer, data):
    """Advantages as TRL's loss reads them, the loss and the gradient of one update."""
    trainer.model.train()
    inputs = trainer._generate_and_score_completions([dict(data[i // SIZE]) for i in range(GROUPS * SIZE)])
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    return (
        inputs,
        float(loss.detach()),
        torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]),
    )


def by_hand(trainer, inputs, lengths, credit, denominator):
    """The same from the pieces of the local engine: one credit step, the clipped loss, the divisor."""
    parts = compose(credit, engine="here", steps=2, length=12, denominator=denominator)
    scored = torch.tensor([reward is not None for reward in REWARDS])
    correct = torch.tensor([reward == 1.0 for reward in REWARDS])
    batch = Batch(
        rewards=torch.where(scored, correct.double() * 2 - 1, torch.nan),
        correct=correct,
        scored=scored,
        group_ids=torch.arange(GROUPS).repeat_interleave(SIZE),
        lengths=torch.tensor(lengths),
        task_types=["all"] * len(lengths),
    )
    signed, _ = parts.step(batch)
    model = trainer.model
    model.zero_grad()
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    span = inputs["completion_ids"].size(1)
    logits = model(input_ids=ids, attention_mask=attention).logits[:, -span - 1 : -1]
    log_probs = logits.log_softmax(-1).gather(-1, inputs["completion_ids"].unsqueeze(-1)).squeeze(-1)
    loss = make_loss("ppo_clip")(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=signed.plus,
        minus=signed.minus,
        mask=inputs["completion_mask"].bool(),
    )
    total = parts.divide(loss, counts(signed, batch.lengths, batch.scored))
    total.backward()
    return (
        signed,
        float(total.detach()),
        torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]),
    )


@pytest.mark.parametrize("rule", OUTSIDE, ids=str)
def test_every_rule_has_the_local_engines_advantages_loss_and_gradient(make_trainer, policy, rows, rule):
    trainer = make_trainer(double=True, credit=rule)
    lengths = fixed(trainer, policy)
    inputs, loss, gradient = by_trl(trainer, rows)
    signed, wanted_loss, wanted = by_hand(trainer, inputs, lengths, rule, None)
    torch.testing.assert_close(inputs["advantages"], signed.advantages, rtol=1e-6, atol=1e-6)
    assert math.isclose(loss, wanted_loss, rel_tol=1e-5, abs_tol=1e-6)
    torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-6)
    assert float(wanted.norm()) > 1e-3  # not two zeros


@pytest.mark.parametrize("denominator", ["tokens_all", "tokens_signed", "sequences", "sequence_mean", "constant"])
def test_every_denominator(make_trainer, policy, rows, denominator):
    credit = {"rule": "psr", "emphasis": "focal", "controller_settings": {"lambda_plus": 0.7, "lambda_minus": 1.0}}
    trainer = make_trainer(double=True, credit=credit, denominator=denominator)
    lengths = fixed(trainer, policy)
    inputs, loss, gradient = by_trl(trainer, rows)
    _, wanted_loss, wanted = by_hand(trainer, inputs, lengths, credit, denominator)
    assert math.isclose(loss, wanted_loss, rel_tol=1e-5, abs_tol=1e-7)
    torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-6)


class WeightedRewards(SignedGRPOTrainer):
    """First published mistake: the sign weights act on the reward, before TRL's group normalisation."""

    def _calculate_rewards(self, inputs, *rest):
        rewards = super()._calculate_rewards(inputs, *rest)
        return torch.where(rewards == 1.0, 0.1, torch.where(rewards == 0.0, -1.0, rewards))

    def _replace_advantages(self, out):
        pass


class NeverRun(SignedGRPOTrainer):
    """Second: the code of the rule is there, and the trainer does not call it."""

    def _replace_advantages(self, out):
        pass


class MaskedLater(SignedGRPOTrainer):
    """Third: advantages of GRPO, those of right rows masked by rewards that were stashed at generation."""

    def _replace_advantages(self, out):
        out["advantages"] = torch.where(self._rewarded[0][:, 0] == 1.0, 0.0, out["advantages"])


@pytest.mark.parametrize(
    ("mistake", "rule"), [(WeightedRewards, "weighted_reinforce"), (NeverRun, "nsr"), (MaskedLater, "nsr")]
)
def test_the_published_mistakes_fail_the_contract(make_trainer, policy, rows, mistake, rule):
    trainer = make_trainer(cls=mistake, double=True, credit=rule)
    lengths = fixed(trainer, policy)
    inputs, _, gradient = by_trl(trainer, rows)
    signed, _, wanted = by_hand(trainer, inputs, lengths, rule, None)
    advantages = inputs["advantages"]
    assert not torch.allclose(advantages, signed.advantages, atol=1e-2)
    # not a matter of scale either: an all-wrong group has no gradient in any of them
    wrong = slice(2 * SIZE, 3 * SIZE)
    assert advantages[wrong].abs().max() == 0 < signed.advantages[wrong].abs().min()
    assert torch.nn.functional.cosine_similarity(gradient, wanted, dim=0) < 0.99

"""The whole algorithm on one page: sample, judge, credit, loss, backward, with the pieces that every engine calls.

A trainer adds what this leaves out: mini-batches, checkpoints, evaluation, several processes. Run it with a rule's name:

    python examples/whole_loop.py nsr
"""

import sys

import torch

from counterpoise.credit import CreditStep, make_controller, make_rule, step_rule
from counterpoise.learner.forward import find_route, response_log_probs
from counterpoise.losses import counts, make_divide, make_loss
from counterpoise.models.load import load_model
from counterpoise.prompts import make_prompts
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.streams import stream
from counterpoise.tasks.registry import make_task
from counterpoise.types import Batch, SamplingSettings
from counterpoise.verifiers.judge import Judge

STEPS, PROMPTS, GROUP = 3, 16, 8
rule = sys.argv[1] if len(sys.argv) > 1 else "weighted_reinforce"

# task -> prompt: problems know their verifier, templates turn them into token ids
policy = load_model("lab")
task = make_task("countdown")
problems = sorted(task.problems("train"), key=lambda problem: problem.problem_id)
sampler = EmbeddedSampler(policy.model, policy.tokenizer)
settings = SamplingSettings(temperature=1.0, max_tokens=20)

# credit: the rule says how much each rollout is pushed up (plus) or down (minus); the controller weighs the two signs
credit_of = CreditStep(rule=step_rule(make_rule(rule)), controller=make_controller("constant"))
loss_of, divide = make_loss("reinforce"), make_divide("tokens_signed")
optimiser = torch.optim.AdamW(policy.model.parameters(), lr=3e-5)
route = find_route(policy.model)

with Judge() as judge:
    for step in range(STEPS):
        asked = problems[step * PROMPTS : (step + 1) * PROMPTS]
        prompts = make_prompts(asked, policy.tokenizer, template=task.template)

        # prompt -> rollout: tokens and the log-probabilities they were drawn with
        groups = sampler.sample(prompts, group_size=GROUP, settings=settings, seed=stream(0, "rollout", step))
        rollouts = [rollout for group in groups for rollout in group]

        # rollout -> verdict: right, wrong, or unscored, which is neither
        verdicts = judge.verify([problem for problem in asked for _ in range(GROUP)], [r.text for r in rollouts])

        # verdict -> reward -> credit
        correct = torch.tensor([verdict.correct for verdict in verdicts])
        scored = torch.tensor([verdict.scored for verdict in verdicts])
        batch = Batch(
            rewards=torch.where(scored, correct.double() * 2 - 1, torch.nan),
            correct=correct,
            scored=scored,
            group_ids=torch.arange(PROMPTS).repeat_interleave(GROUP),
            lengths=torch.tensor([int(rollout.mask.sum()) for rollout in rollouts]),
            task_types=[problem.task_type for problem in asked for _ in range(GROUP)],
        )
        credit, metrics = credit_of(batch)

        # credit -> loss -> update: rows without credit have no gradient and go through no forward pass
        rows, trained = credit_of.select(batch, credit)
        total = counts(credit.rows(rows), batch.lengths[rows], batch.scored[rows])
        for part in rows[trained].split(32):
            out = response_log_probs(
                policy.model, [rollouts[row] for row in part.tolist()], temperature=1.0, route=route
            )
            own = credit.rows(part)
            loss = loss_of(
                log_probs=out.log_probs,
                old_log_probs=out.sampler_log_probs,
                plus=own.plus,
                minus=own.minus,
                mask=out.mask,
            )
            divide(loss, total).backward()
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()

        print(
            f"step {step + 1}: success {metrics['success_rate'].mean:.2f}, "
            f"pushed up {metrics['polarity_share_tokens'].mean:.0%} of the credit, trained on {int(trained.sum())} rollouts"
        )

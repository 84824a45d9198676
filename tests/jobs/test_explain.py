"""Where `explain` meets the real stages: the learner on a tabular policy, and what a loss and its denominator make of credit."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from counterpoise.diagnostics import microscope
from counterpoise.diagnostics.microscope import Contexts
from counterpoise.engines.local.assemble import assemble
from counterpoise.jobs.explain_bench import token_pushes
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.losses import counts, make_divide, make_loss
from counterpoise.rollouts.tabular import TabularConfig, TabularPolicy, TabularSampler
from counterpoise.runfile import parse_config
from counterpoise.types import Credit, Problem, SamplingSettings

ETA = 0.3


@pytest.fixture
def policy():
    return TabularPolicy(TabularConfig(problems=1, vocab_size=4, response_tokens=3)).randomize(1).eval()


@pytest.fixture
def group(policy):
    problem = Problem(problem_id="p", task_type="t", question="q", gold="g", verifier="exact")
    settings = SamplingSettings(temperature=0.9, max_tokens=3)
    (rollouts,) = TabularSampler(policy).sample([policy.prompt(0, problem)], group_size=6, settings=settings, seed=0)
    return rollouts


ADVANTAGES = torch.tensor([1.0, -1.0, -0.5, 0.0, 0.1, -1.0])
CREDIT = Credit(plus=ADVANTAGES.clamp(min=0), minus=(-ADVANTAGES).clamp(min=0))


def test_the_learner_s_step_on_a_tabular_policy_is_the_predicted_one(policy, group):
    # AdamW without memory and with a huge epsilon is gradient descent: lr g / (|g| + eps) = lr / eps g
    tokens = sum(len(row.token_ids) for row, a in zip(group, ADVANTAGES, strict=True) if a)
    settings = LearnerSettings(
        learning_rate=ETA * tokens * 1e6, betas=(0.0, 0.0), epsilon=1e6, weight_decay=0.0, gradient_clip=None
    )
    before = list(microscope.response_logits(policy, group))
    learner = Learner(
        policy,
        accelerator=Accelerator(),
        settings=settings,
        loss=make_loss("ppo_clip"),
        divide=make_divide("tokens_signed"),
        make_counts=counts,
    )
    learner.update(group, CREDIT, torch.ones(6, dtype=torch.bool), [0] * 6, seed=0)
    pushes = [np.full(len(row.token_ids), a) for row, a in zip(group, ADVANTAGES.tolist(), strict=True)]
    contexts = Contexts(group, pushes, [True] * 6)
    for row, old, new in zip(group, before, microscope.response_logits(policy, group), strict=True):
        for t, chosen in enumerate(row.token_ids.tolist()):
            found = microscope.move(
                rule="any",
                before=old[t],
                after=new[t],
                chosen=chosen,
                credit=1.0,
                push=contexts.push(row, 4, t, t + 1)[0],
                step=ETA,
                temperature=0.9,
                decode=str,
                top=4,
            )
            assert found.predicted == pytest.approx(found.realised, abs=2e-6)
            assert found.predicted_entropy == pytest.approx(found.realised_entropy, abs=5e-6)


@pytest.mark.parametrize("loss", ["ppo_clip", "cispo", "topr"])
@pytest.mark.parametrize("denominator", ["tokens_signed", "tokens_all", "sequence_mean"])
def test_token_credit_is_what_the_loss_and_its_denominator_make_of_the_rule_s(group, loss, denominator):
    config = parse_config({"loss": {"name": loss, "denominator": denominator}})
    scored = torch.ones(6, dtype=torch.bool)
    pushes = token_pushes(config, assemble(config).divide, group, CREDIT, scored)
    advantages = ADVANTAGES.tolist()
    lengths = [len(row.token_ids) for row in group]
    weights = [1 / length if denominator == "sequence_mean" else 1.0 for length in lengths]
    live = [(a, w, n) for a, w, n in zip(advantages, weights, lengths, strict=True) if a]
    # one unit for all: the mean size over tokens stays the rule's
    unit = sum(abs(a) * n for a, _, n in live) / sum(abs(a) * w * n for a, w, n in live)
    for push, a, w, n in zip(pushes, advantages, weights, lengths, strict=True):
        assert push.tolist() == pytest.approx([a * w * unit] * n, abs=1e-6)


def test_without_credit_there_are_no_pushes(group):
    nothing = Credit(plus=torch.zeros(6), minus=torch.zeros(6))
    config = parse_config({})
    pushes = token_pushes(config, assemble(config).divide, group, nothing, torch.ones(6, dtype=torch.bool))
    assert not np.concatenate(pushes).any()

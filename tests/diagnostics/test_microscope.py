"""Contexts, fits, and the one policy for which the tabular prediction must come true: a tabular one."""

import numpy as np
import pytest
import torch

from counterpoise.diagnostics import gradients, microscope
from counterpoise.diagnostics.microscope import Contexts
from counterpoise.rollouts.tabular import TabularConfig, TabularPolicy
from counterpoise.types import Rollout, StopReason

TEMPERATURE = 0.8


def rollout(*tokens, prompt=0):
    return Rollout(
        problem_id=str(prompt),
        prompt_ids=np.array([prompt]),
        token_ids=np.array(tokens),
        mask=np.ones(len(tokens), dtype=np.bool_),
        log_probs=np.zeros(len(tokens), dtype=np.float32),
        text="",
        temperature=TEMPERATURE,
        stop_reason=StopReason.EOS,
        policy_version=0,
    )


GROUP = [rollout(2, 1, 3), rollout(2, 1, 0), rollout(2, 3, 3), rollout(1, 0), rollout(2, 1, 3, prompt=1)]
ADVANTAGES = (1.0, -1.0, -0.5, 0.1, -1.0)
RIGHT = (True, False, False, True, False)
PUSHES = [np.full(len(row.token_ids), advantage) for row, advantage in zip(GROUP, ADVANTAGES, strict=True)]


@pytest.fixture
def policy():
    return TabularPolicy(TabularConfig(problems=2, vocab_size=4, response_tokens=3)).randomize(3).double().eval()


def test_rollouts_meet_in_a_context_and_part_where_they_differ():
    contexts = Contexts(GROUP, PUSHES, RIGHT)
    push = contexts.push(GROUP[0], 4, 0, 3)
    # start: +1 -1 -.5 on token 2, +.1 on token 1; after 2: +1 -1 on 1, -.5 on 3; after 2 1: +1 on 3, -1 on 0
    assert push.tolist() == [pytest.approx([0, 0.1, -0.5, 0]), [0, 0, 0, -0.5], [-1, 0, 0, 1]]
    assert contexts.push(GROUP[4], 4, 0, 1).tolist() == [[0, 0, -1, 0]]  # the other prompt shares nothing
    assert contexts.push(GROUP[0], 4, 1, 2).tolist() == [[0, 0, 0, -0.5]]
    assert contexts.visitors(GROUP[0]) == [((2, 2), (1, 2)), ((1, 2), (1, 1)), ((1, 1), (1, 0))]


def test_padded_rows_give_the_logits_of_single_ones(policy):
    together = list(microscope.response_logits(policy, GROUP))
    for row, logits in zip(GROUP, together, strict=True):
        (alone,) = microscope.response_logits(policy, [row])
        assert logits.shape == (len(row.token_ids), 4)
        torch.testing.assert_close(logits, alone, rtol=0, atol=0)


def test_measures_are_those_of_the_distribution(policy):
    (logits,) = microscope.response_logits(policy, GROUP[:1])
    found = microscope.measure_tokens(logits, GROUP[0], temperature=TEMPERATURE)
    log_pi = torch.log_softmax(logits.double() / TEMPERATURE, -1)
    assert found.log_prob.tolist() == pytest.approx([float(log_pi[t, y]) for t, y in enumerate((2, 1, 3))], abs=1e-12)
    assert found.entropy.tolist() == pytest.approx((-(log_pi.exp() * log_pi).sum(-1)).tolist(), abs=1e-12)


def step(policy, eta):
    """One gradient step of `sum A log pi` over the group, as a learner without Adam would take it."""
    log_probs = [
        policy.sequence_log_probs(int(row.prompt_ids[0]), [row.token_ids.tolist()], temperature=TEMPERATURE)[0]
        for row in GROUP
    ]
    (gradient,) = torch.autograd.grad(sum(a * lp for a, lp in zip(ADVANTAGES, log_probs, strict=True)), policy.logits)
    after = TabularPolicy(policy.config).double().eval()
    with torch.no_grad():
        after.logits.copy_(policy.logits + eta * gradient)
    return after


@pytest.mark.parametrize("eta", [1e-4, 0.7])
def test_on_a_tabular_policy_the_prediction_is_what_happens(policy, eta):
    contexts = Contexts(GROUP, PUSHES, RIGHT)
    after = list(microscope.response_logits(step(policy, eta), GROUP))
    for row, before, later in zip(GROUP, microscope.response_logits(policy, GROUP), after, strict=True):
        for t, chosen in enumerate(row.token_ids.tolist()):
            found = microscope.move(
                rule="nsr",
                before=before[t],
                after=later[t],
                chosen=chosen,
                credit=1.0,
                push=contexts.push(row, 4, t, t + 1)[0],
                step=eta,
                temperature=TEMPERATURE,
                decode=str,
                top=4,
            )
            assert found.predicted == pytest.approx(found.realised, abs=1e-7)  # logits are read in float32
            assert found.predicted_entropy == pytest.approx(found.realised_entropy, abs=1e-7)
            assert [v.predicted for v in found.alternatives] == pytest.approx(
                [v.realised for v in found.alternatives], abs=1e-7
            )
            assert sum(v.realised for v in found.alternatives) == pytest.approx(1.0)


def test_a_small_tabular_step_is_fitted_exactly(policy):
    eta = 1e-3
    contexts = Contexts(GROUP, PUSHES, RIGHT)
    before, after = microscope.response_logits(policy, GROUP), microscope.response_logits(step(policy, eta), GROUP)
    predicted, realised = [], []
    for row, old, new in zip(GROUP, before, after, strict=True):
        predicted.append(microscope.slopes(old, row, contexts, temperature=TEMPERATURE)[0])
        first, second = (microscope.measure_tokens(z, row, temperature=TEMPERATURE).log_prob for z in (old, new))
        realised.append(second - first)
    found = microscope.fit(np.concatenate(predicted), np.concatenate(realised))
    assert found.step == pytest.approx(eta, rel=2e-3)
    assert found.correlation > 0.9999
    assert found.same_sign == 1.0
    assert found.tokens == 14


def test_slopes_are_the_closed_forms(policy):
    contexts = Contexts(GROUP, PUSHES, RIGHT)
    (z,) = microscope.response_logits(policy, GROUP[:1])
    log_prob, entropy = microscope.slopes(z, GROUP[0], contexts, temperature=TEMPERATURE)
    gradient = gradients.logit_gradient(z, contexts.push(GROUP[0], 4, 0, 3), temperature=TEMPERATURE)
    moved = gradients.probability_slope(z, gradient, temperature=TEMPERATURE)
    pi = torch.softmax(z.double() / TEMPERATURE, -1)
    assert log_prob.tolist() == pytest.approx(
        [float(moved[t, y] / pi[t, y]) for t, y in enumerate((2, 1, 3))], abs=1e-12
    )
    assert entropy.tolist() == pytest.approx(
        gradients.entropy_slope(z, gradient, temperature=TEMPERATURE).tolist(), abs=1e-12
    )


def test_fit_by_hand():
    # eta = (1*2 + 2*3 - 1*1) / 6 = 7/6; two of three signs agree; the untouched token counts for the correlation alone
    found = microscope.fit(np.array([1.0, 2.0, -1.0, 0.0]), np.array([2.0, 3.0, 1.0, 5.0]))
    assert found.step == pytest.approx(7 / 6)
    assert found.same_sign == pytest.approx(2 / 3)
    assert found.correlation == pytest.approx(np.corrcoef([1, 2, -1, 0], [2, 3, 1, 5])[0, 1])


def test_without_credit_nothing_is_predicted(policy):
    found = microscope.fit(np.zeros(3), np.array([0.1, 0.2, 0.3]))
    assert np.isnan([found.step, found.correlation, found.same_sign]).all()
    (z,) = microscope.response_logits(policy, GROUP[:1])
    moved = microscope.move(
        rule="psr",
        before=z[0],
        after=z[0],
        chosen=2,
        credit=0.0,
        push=torch.zeros(4),
        step=found.step,
        temperature=1.0,
        decode=str,
        top=1,
    )
    assert np.isnan(moved.predicted)
    assert {v.gradient for v in moved.alternatives} == {0.0}


def test_a_view_ranks_the_chosen_token(policy):
    (z,) = microscope.response_logits(policy, GROUP[:1])
    order = z[0].argsort(descending=True).tolist()
    for rank, token in enumerate(order, start=1):
        seen = microscope.view(
            index=0, before=z[0], chosen=token, text="", visitors=((1, 0), (1, 0)), moves=(), temperature=1.0
        )
        assert seen.rank == rank
        assert seen.collision == pytest.approx(float(torch.softmax(z[0].double(), 0).square().sum()))

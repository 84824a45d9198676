"""Closed forms against autograd, and what they imply for probabilities and entropy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.diagnostics.gradients import (
    chosen_push,
    entropy,
    entropy_change,
    entropy_slope,
    logit_gradient,
    probability_change,
    probability_slope,
)
from counterpoise.errors import UsageError

FORMS = ["probability", "log_probability"]
RULES = {
    "psr": 1.0,
    "nsr": -1.0,
    "weighted_reinforce, right": 0.1,
    "grpo, one success in eight": 2.4749,
    "grpo, wrong": -0.3536,
}
Z = torch.tensor([1.3, -0.4, 0.2, 2.1, -1.7], dtype=torch.float64)


@st.composite
def contexts(draw):
    size = draw(st.integers(2, 12))
    logits = st.lists(st.floats(-12, 12), min_size=size, max_size=size)
    push = st.lists(st.floats(-3, 3), min_size=size, max_size=size)
    z, w = (torch.tensor(draw(values), dtype=torch.float64) for values in (logits, push))
    return z, w, draw(st.floats(0.2, 3.0))


def one(z, y, advantage):
    return chosen_push(torch.tensor(y), torch.tensor(advantage, dtype=torch.float64), len(z))


@pytest.mark.parametrize("form", FORMS)
@given(contexts())
def test_the_closed_form_is_autograd_s_gradient_and_sums_to_zero(form, context):
    z, w, temperature = context
    leaf = z.clone().requires_grad_()
    log_pi = torch.log_softmax(leaf / temperature, 0)
    (expected,) = torch.autograd.grad((w * (log_pi.exp() if form == "probability" else log_pi)).sum(), leaf)
    found = logit_gradient(z, w, form=form, temperature=temperature)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert abs(float(found.sum())) < 1e-9


@pytest.mark.parametrize("advantage", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("y", range(5))
def test_one_rollout_gives_the_paper_s_equations_and_those_over_pi_y(y, advantage):
    pi = torch.softmax(Z, 0)
    paper = -advantage * pi[y] * pi
    paper[y] = advantage * pi[y] * (1 - pi[y])
    torch.testing.assert_close(logit_gradient(Z, one(Z, y, advantage), form="probability"), paper, rtol=0, atol=1e-14)
    torch.testing.assert_close(logit_gradient(Z, one(Z, y, advantage)), paper / pi[y], rtol=0, atol=1e-14)


def test_positions_and_token_weights_broadcast():
    logits, tokens = torch.stack([Z, -Z, 2 * Z]), torch.tensor([3, 0, 1])
    weights = torch.tensor([1.0, 0.5, -2.0])
    found = logit_gradient(logits, chosen_push(tokens, weights, 5))
    for row in range(3):
        alone = logit_gradient(logits[row], one(Z, int(tokens[row]), float(weights[row])))
        torch.testing.assert_close(found[row], alone, rtol=0, atol=0)


def test_a_certain_token_stops_both_forms_and_a_rare_one_only_the_probability_form():
    # pi_y = 1 - 1e-9: (1 - pi) = 1e-9 in the log form, pi (1 - pi) the same in the other
    certain = torch.tensor([math.log(1e9), 0.0], dtype=torch.float64)
    assert float(logit_gradient(certain, one(certain, 0, -1.0))[0]) == pytest.approx(-1e-9, rel=1e-6)
    assert float(logit_gradient(certain, one(certain, 0, -1.0), form="probability")[0]) == pytest.approx(
        -1e-9, rel=1e-6
    )
    # pi_y = 1e-9: 1 against 1e-9
    assert float(logit_gradient(certain, one(certain, 1, -1.0))[1]) == pytest.approx(-1.0, rel=1e-6)
    assert float(logit_gradient(certain, one(certain, 1, -1.0), form="probability")[1]) == pytest.approx(
        -1e-9, rel=1e-6
    )


@given(contexts())
def test_slopes_are_the_derivatives_of_the_exact_changes(context):
    z, w, temperature = context
    h = 1e-6
    for exact, slope in ((probability_change, probability_slope), (entropy_change, entropy_slope)):
        numeric = (exact(z, h * w, temperature=temperature) - exact(z, -h * w, temperature=temperature)) / (2 * h)
        torch.testing.assert_close(slope(z, w, temperature=temperature), numeric, rtol=1e-4, atol=1e-6)


def test_exact_changes_are_those_of_the_softmax():
    step = torch.tensor([3.0, -2.0, 0.0, -5.0, 1.0], dtype=torch.float64)
    before, after = torch.softmax(Z / 0.7, 0), torch.softmax((Z + step) / 0.7, 0)
    torch.testing.assert_close(probability_change(Z, step, temperature=0.7), after - before, rtol=0, atol=1e-15)
    found = float(entropy_change(Z, step, temperature=0.7))
    assert found == pytest.approx(float(-(after * after.log()).sum() + (before * before.log()).sum()), abs=1e-14)
    assert float(entropy(torch.zeros(8))) == pytest.approx(math.log(8))


@given(contexts())
def test_the_nsr_push_on_the_other_logits_is_proportional_to_the_prior(context):
    z, _, temperature = context
    pi, y = torch.softmax(z / temperature, 0), 0
    for form in FORMS:
        ratio = logit_gradient(z, one(z, y, -1.0), form=form, temperature=temperature)[1:] / pi[1:]
        torch.testing.assert_close(ratio, ratio[0].expand_as(ratio), rtol=1e-9, atol=0)


@given(contexts())
def test_but_the_mass_goes_by_pi_v_times_pi_v_plus_pi_y_less_the_collision_probability(context):
    z, _, _ = context
    pi, y = torch.softmax(z, 0), 0
    moved = probability_slope(z, logit_gradient(z, one(z, y, -1.0)))
    expected = pi * (pi + pi[y] - (pi * pi).sum())
    torch.testing.assert_close(moved[1:], expected[1:], rtol=0, atol=1e-12)
    assert float(moved[y]) == pytest.approx(float(-pi[y] * (1 - 2 * pi[y] + (pi * pi).sum())), abs=1e-12)


@given(contexts(), st.floats(0.1, 8.0))
def test_only_a_step_on_the_chosen_logit_alone_keeps_the_others_in_proportion_and_any_size_of_it_does(context, eta):
    z, _, _ = context
    pi, y = torch.softmax(z, 0), 0
    moved = probability_change(z, eta * one(z, y, -1.0))
    torch.testing.assert_close(moved[1:], -moved[y] * pi[1:] / (1 - pi[y]), rtol=0, atol=1e-13)


def test_with_one_alternative_much_likelier_than_the_rest_it_gets_more_than_its_share():
    # pi = .6, .3, .1; S = .46: .3 (.3 + .14) = .132 and .1 (.1 + .14) = .024, so 84.6% and 15.4% where the prior says 75% and 25%
    z = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log()
    moved = probability_slope(z, logit_gradient(z, one(z, 0, -1.0)))
    torch.testing.assert_close(moved, torch.tensor([-0.156, 0.132, 0.024], dtype=torch.float64), rtol=0, atol=1e-12)


def test_with_many_equal_alternatives_the_mass_does_go_in_proportion():
    z = torch.cat([torch.tensor([math.log(9.0)]), torch.full((1000,), math.log(1e-3))]).double()
    moved = probability_slope(z, logit_gradient(z, one(z, 0, -1.0)))
    torch.testing.assert_close(moved[1:], (-moved[0] / 1000).expand(1000), rtol=1e-9, atol=0)


def test_pushing_a_confident_token_down_raises_entropy_and_a_rare_one_lowers_it():
    slope = [float(entropy_slope(Z, logit_gradient(Z, one(Z, y, -1.0)))) for y in range(5)]
    pi, log_pi = torch.softmax(Z, 0), torch.log_softmax(Z, 0)
    h = entropy(Z)
    bracket = pi * (log_pi + h) - (pi * pi * (log_pi + h)).sum()  # docs: dH = -eta A [ ... ], A = -1
    assert slope == pytest.approx(bracket.tolist(), abs=1e-12)
    assert slope[3] > 0 > slope[4]


def test_expected_over_the_policy_psr_and_nsr_are_one_gradient():
    # right = {0, 3}: sum over right of pi_y g_y = - sum over wrong of pi_y g_y, because all of them sum to zero
    pi = torch.softmax(Z, 0)
    score = [pi[y] * logit_gradient(Z, one(Z, y, 1.0)) for y in range(5)]
    torch.testing.assert_close(score[0] + score[3], -(score[1] + score[2] + score[4]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"form": "odds"}, "form is 'odds'; it must be probability or log_probability"),
        ({"temperature": 0.0}, "temperature is 0.0; a policy needs one above 0"),
        ({"push": torch.ones(4)}, r"push has shape \(4,\); expected that of the logits, \(5,\)"),
    ],
)
def test_mistakes(change, says):
    with pytest.raises(UsageError, match=says):
        logit_gradient(**{"logits": Z, "push": torch.ones(5), **change})

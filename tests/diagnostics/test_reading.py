"""The sentences say what the numbers say."""

from dataclasses import replace

import pytest

from counterpoise.diagnostics.explanation import Alternative, Explanation, Fit, Move, RuleStep, TokenView
from counterpoise.diagnostics.reading import chance, decisive, quoted_token, read_step, read_token

NAN = float("nan")


def alternative(text, probability, realised, *, chosen=False):
    return Alternative(
        token_id=0,
        text=text,
        chosen=chosen,
        probability=probability,
        gradient=probability - chosen,
        gradient_probability=0.6 * (probability - chosen),
        predicted=probability,
        realised=realised,
    )


# pi = .6, .3, .1: collision .46; of the mass taken by NSR .132/.156 = 84.6% goes to 'b' and 15.4% to 'c'
MOVE = Move(
    rule="nsr",
    credit=-1.0,
    context_credit=-1.0,
    predicted=0.55,
    realised=0.575,
    entropy_slope=0.01,
    predicted_entropy=0.91,
    realised_entropy=0.905,
    alternatives=(alternative("a", 0.6, 0.575, chosen=True), alternative("b", 0.3, 0.325), alternative("c", 0.1, 0.1)),
)
TOKEN = TokenView(
    index=0,
    token_id=0,
    text="a",
    probability=0.6,
    entropy=0.9,
    collision=0.46,
    rank=1,
    visitors=(1, 3),
    sharers=(0, 2),
    moves=(MOVE,),
)
STEP = RuleStep(
    rule="nsr",
    advantage=-1.0,
    group_advantages=(-1.0,),
    gradient_norm=1.0,
    fit=Fit(step=0.4, correlation=0.7, same_sign=0.75, tokens=8),
    batch_gradient_norm=1.0,
    batch_fit=Fit(step=0.1, correlation=0.3, same_sign=0.6, tokens=80),
    quadrants=(),
    quadrants_by_entropy=(),
)
FOUND = Explanation(
    model="m",
    task="t",
    problem_id="p",
    question="q",
    gold="g",
    prompt="q",
    response="a",
    given=False,
    verdict="wrong",
    answer="a",
    chosen_as="the first",
    group=(),
    position=0,
    tokens=(TOKEN,),
    rules=(STEP,),
    problems=1,
    rollouts=1,
    confident_probability=0.5,
    confident_entropy=0.1,
    settings={},
)


def said(token=TOKEN, **changes):
    return read_token(FOUND, token, replace(MOVE, **changes))


def test_a_confident_wrong_token_in_full():
    assert said() == [
        "The policy was sure of 'a': p = 0.600, rank 1, entropy 0.90 nats; the answer is wrong.",
        "4 rollouts of the group pass here (1 right, 3 wrong); 2 of them go on with 'a' (0 right, 2 wrong).",
        "nsr pushes it down with credit -1.00: on its logit -0.400 as trained (log-probability form), -0.240 in the probability form.",
        "p = 0.600 is above Σpi² = 0.460, so every alternative gains, in proportion to pi_v (pi_v + pi_y - Σpi²), which weighs on "
        "the likely more than the prior does: 'b' 84.6% (prior share 75.0%), 'c' 15.4% (prior share 25.0%).",
        "Predicted (tabular, all rollouts that pass here): 60.0% → 55.0%, entropy +0.0100.",
        "Really, after one step: 60.0% → 57.5%, entropy +0.0050; 'b' gained most (30.0% → 32.5%): 0.50 of the prediction.",
    ]


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"realised": 0.65}, "the other way. Parameters are shared: other positions decided this one."),
        ({"predicted": 0.6}, "what moved it came from other positions, through shared parameters."),
        ({"predicted": 0.6001, "realised": 0.6001}, "both hardly move it."),
        ({"predicted": NAN}, "'b' gained most (30.0% → 32.5%)."),
    ],
)
def test_a_prediction_that_fails_is_called_that(changes, last):
    assert said(**changes)[-1].endswith(last)


def test_a_prediction_against_the_token_s_own_credit_is_explained():
    assert said(predicted=0.65)[-2].endswith(
        "That is against its own credit: what the others chose here, or how rare it was, outweighs it."
    )


def test_other_tokens_are_read_as_what_they_are():
    rare = replace(TOKEN, collision=0.7)
    assert "nsr gives this rollout no credit; what moves here comes from other rollouts." in said(credit=0.0)
    assert any("so every alternative loses" in line for line in said(credit=1.0))
    assert any("hardly move it: one step cannot take" in line for line in said(replace(TOKEN, probability=0.9999)))
    # .7 - .6 = .1
    low = "p = 0.600 is below Σpi² = 0.700: alternatives rarer than 0.100"
    # .3 (.3 + .6 - .7) = .06 and .1 (.1 + .6 - .7) = 0
    fall = f"{low} fall with it, and the likelier ones gain ('b' +0.0600, 'c' +0.0000 for each unit of the logit step)."
    rise = f"{low} rise with it, and the likelier ones pay ('b' -0.0600, 'c' -0.0000 for each unit of the logit step)."
    assert fall in said(rare)
    assert rise in said(rare, credit=1.0)


def test_a_step_in_one_sentence():
    assert read_step(STEP) == (
        "nsr: correlation 0.70 between predicted and realised change over 8 tokens of the group, 75.0% with the predicted sign, "
        "fitted logit step 0.4 (a step on the whole batch: 0.30, 60.0%)."
    )
    assert "no prediction is shown" in read_step(replace(STEP, fit=replace(STEP.fit, step=-0.1)))
    assert read_step(replace(STEP, fit=None)).endswith("so no step is taken and nothing moves.")


def test_small_words():
    assert [chance(value) for value in (0.934, 0.0021, 0.99968, NAN)] == ["93.4%", "0.21%", "99.97%", "?"]
    assert quoted_token("a\n\t") == "'a⏎⇥'"


def test_decisive_tokens_have_the_largest_gradient_and_stand_in_order():
    # |A| (1 - p): .4, .05, .9
    tokens = [replace(TOKEN, index=index, probability=p) for index, p in enumerate((0.6, 0.95, 0.1))]
    assert [token.index for token in decisive(tokens, 2)] == [0, 2]

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.token_budget import pass_at_tokens

lengths = st.lists(st.integers(0, 9), max_size=3)


def enumerated(right, wrong, budget):
    """Every order of all responses, drawn until one does not fit; None where all of them may fit."""
    responses = [(length, True) for length in right] + [(length, False) for length in wrong]
    if not responses or sum(length for length, _ in responses) < budget:
        return None
    orders, found = 0, 0
    for order in itertools.permutations(responses):
        orders, left = orders + 1, budget
        for length, is_right in order:
            left -= length
            if left < 0:
                break
            if is_right:
                found += 1
                break
    return Fraction(found, orders)


@pytest.mark.parametrize(
    ("right", "wrong", "budget", "expected"),
    [
        ([4], [4], 4, 1 / 2),  # one draw
        ([4], [4], 7, 1 / 2),  # the second does not fit
        ([4], [4], 8, 1.0),
        ([6], [2, 2], 6, 1 / 3),  # right at once, or never within 6
        ([6], [2, 2], 8, 2 / 3),  # right at once or after one
        ([2], [6, 6], 6, 1 / 3),
        ([2], [6, 6], 8, 2 / 3),
        ([], [3, 3], 5, 0.0),
    ],
)
def test_hand_worked(right, wrong, budget, expected):
    assert pass_at_tokens([right], [wrong], [budget])[0, 0] == pytest.approx(expected, abs=1e-15)


@given(lengths, lengths, st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_is_the_share_of_all_orders(right, wrong, budgets):
    values = pass_at_tokens([right], [wrong], budgets)[0]
    for value, budget in zip(values, budgets, strict=True):
        expected = enumerated(right, wrong, budget)
        assert np.isnan(value) if expected is None else value == pytest.approx(float(expected), abs=1e-12)


@given(st.integers(1, 30), st.data())
def test_of_equal_lengths_it_is_pass_at_k(n, data):
    c, length = data.draw(st.integers(0, n)), data.draw(st.integers(1, 50))
    budgets = [length * k + data.draw(st.integers(0, length - 1)) for k in range(1, n)]
    values = pass_at_tokens([[length] * c], [[length] * (n - c)], budgets)
    np.testing.assert_allclose(values, pass_at_k([n], [c], list(range(1, n))), atol=1e-12)


def test_random_orders_agree_with_all_orders():
    # 8 wrong ones have 40,320 orders: more than are drawn, and few enough to go through.
    right, wrong, budgets = [5, 9], [1, 2, 3, 5, 8, 13, 21, 34], [10, 30, 60]
    exact = pass_at_tokens([right], [wrong], budgets, orders=50_000)
    # The standard error of a thousand orders is at most 1/(2 sqrt(1000)) = 0.016 each; here the mean of 64 problems.
    keys = [str(i) for i in range(64)]
    drawn = pass_at_tokens([right] * 64, [wrong] * 64, budgets, keys=keys)
    assert abs(drawn.mean(axis=0) - exact[0]).max() < 4 * 0.016 / 8
    assert drawn.std(axis=0).max() < 0.016


def test_a_problem_is_drawn_alike_wherever_it_stands():
    right, wrong = [[3, 4]], [list(range(1, 30))]
    alone = pass_at_tokens(right, wrong, [20], seed=3, keys=["b"])
    second = pass_at_tokens([[1], *right], [[2], *wrong], [20], seed=3, keys=["a", "b"])
    assert second[1, 0] == alone[0, 0]
    assert pass_at_tokens(right, wrong, [20], seed=4, keys=["b"])[0, 0] != alone[0, 0]


def test_it_never_falls_with_the_budget_or_with_a_wrong_one_turned_right():
    budgets = list(range(1, 200, 7))
    first = pass_at_tokens([[9, 20]], [[3, 50, 60, 8, 90]], budgets)[0]
    more = pass_at_tokens([[9, 20, 50]], [[3, 60, 8, 90]], budgets)[0]
    assert (np.diff(first) >= -1e-12).all() and (more >= first - 1e-12).all()


@pytest.mark.parametrize(
    ("right", "wrong", "tokens", "words"),
    [
        ([[1]], [], [1], "right has 1 problems and wrong has 0"),
        ([[1]], [[1]], [0], "a budget is a whole number of tokens from 1"),
        ([[1]], [[1]], [1 << 41], "a budget is a whole number of tokens from 1"),
        ([[1]], [[-1]], [5], "wrong must be rows of whole numbers"),
        ([[0.5]], [[1]], [5], "right must be rows of whole numbers"),
        ([[1]], [[1]], [5.0], "tokens must be rows of whole numbers"),
    ],
)
def test_what_is_no_length_is_refused(right, wrong, tokens, words):
    with pytest.raises(UsageError, match=words):
        pass_at_tokens(right, wrong, tokens)

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.best import best_at_k
from counterpoise.evaluation.estimators.passk import pass_at_k

rewards = st.lists(st.integers(-8, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("seen", "k", "expected"),
    [
        ([1, 2, 4], 1, 7 / 3),
        ([1, 2, 4], 2, 10 / 3),  # pairs: 2, 4, 4
        ([4, 1, 2], 3, 4.0),
        ([-1, -3], 2, -1.0),
    ],
)
def test_hand_worked(seen, k, expected):
    assert best_at_k([seen], [k])[0, 0] == pytest.approx(expected, abs=1e-14)


@given(rewards)
def test_is_the_mean_of_the_highest_over_all_subsets(seen):
    for k in range(1, len(seen) + 1):
        highest = [max(subset) for subset in itertools.combinations(seen, k)]
        assert best_at_k([seen], [k])[0, 0] == pytest.approx(sum(highest) / len(highest), abs=1e-14)


@given(st.integers(1, 600), st.data())
def test_agrees_with_rational_arithmetic(n, data):
    # rewards 1..n: sum_i i C(i-1,k-1)/C(n,k) = k(n+1)/(k+1)
    k = data.draw(st.integers(1, n))
    exact = sum(Fraction(i * comb(i - 1, k - 1), comb(n, k)) for i in range(k, n + 1))
    assert exact == Fraction(k * (n + 1), k + 1)
    assert best_at_k([list(range(n, 0, -1))], [k])[0, 0] == pytest.approx(float(exact), rel=1e-12)


@given(st.integers(1, 300), st.data())
def test_for_right_and_wrong_it_is_pass_at_k(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert best_at_k([[1] * c + [0] * (n - c)], [k])[0, 0] == pytest.approx(pass_at_k([n], [c], [k])[0, 0], abs=1e-13)


@given(rewards, st.floats(0.1, 10), st.floats(-10, 10))
def test_moves_with_scale_and_shift_and_rises_with_k(seen, scale, shift):
    ks = range(1, len(seen) + 1)
    values = best_at_k([seen], ks)[0]
    moved = best_at_k([[scale * reward + shift for reward in seen]], ks)[0]
    assert moved == pytest.approx(scale * values + shift, abs=1e-11)
    assert (np.diff(values) >= -1e-14).all()


def test_missing_rewards_are_not_drawn():
    nan = float("nan")
    values = best_at_k([[nan, 1, 2, 4], [3, nan, nan, nan], [nan] * 4], [1, 2])
    assert values[0] == pytest.approx([7 / 3, 10 / 3]) and values[1, 0] == 3
    assert np.isnan(values).tolist() == [[False, False], [False, True], [True, True]]


def test_against_scorio():
    reference = pytest.importorskip("scorio.eval")
    grades, weights = np.random.default_rng(5).integers(0, 4, size=(12, 16)), np.array([0.0, 0.2, 0.5, 1.0])
    for k in (1, 4, 16):
        expected = reference.max_at_k(grades, k, w=weights)
        assert best_at_k(weights[grades], [k]).mean() == pytest.approx(expected, abs=1e-12)


def test_refuses():
    with pytest.raises(UsageError, match=r"one row for each problem; got shape \(3,\)"):
        best_at_k([1.0, 2.0, 3.0], [1])
    with pytest.raises(UsageError, match="rows of one length, filled up with NaN where a problem has fewer"):
        best_at_k([[1.0, 2.0], [3.0]], [1])
    with pytest.raises(UsageError, match=r"problem 1 \(from 0\) has an infinite reward"):
        best_at_k([[1.0], [float("inf")]], [1])

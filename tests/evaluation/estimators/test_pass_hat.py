import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.pass_hat import pass_hat_k
from counterpoise.evaluation.estimators.passk import pass_at_k

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 3, 2, 1 / 2),  # C(3,2)/C(4,2) = 3/6
        (5, 4, 3, 2 / 5),  # C(4,3)/C(5,3) = 4/10
        (10, 3, 1, 3 / 10),  # pass^1 is the mean
        (6, 2, 3, 0.0),  # three right ones do not exist
        (6, 6, 6, 1.0),
    ],
)
def test_hand_worked(n, c, k, expected):
    assert pass_hat_k([n], [c], [k])[0, 0] == pytest.approx(expected, abs=1e-15)


@given(counts)
def test_agrees_with_rational_arithmetic_to_the_last_digits(case):
    # in relative terms too: nothing cancels, however small the share; below 1e-300 floating point ends
    n, c, k = case
    exact, value = Fraction(comb(c, k), comb(n, k)), float(pass_hat_k([n], [c], [k])[0, 0])
    assert abs(Fraction(value) - exact) <= exact / 10**11 + Fraction(1, 10**300)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_is_the_share_of_subsets_that_are_all_right(case):
    n, c, k = case
    subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_hat_k([n], [c], [k])[0, 0] == pytest.approx(sum(map(all, subsets)) / len(subsets), abs=1e-15)


@given(counts)
def test_right_and_wrong_mirror_pass_at_k(case):
    # all k right <=> not one of them among the wrong
    n, c, k = case
    assert pass_hat_k([n], [c], [k])[0, 0] == pytest.approx(1 - pass_at_k([n], [n - c], [k])[0, 0], abs=1e-15)


@given(counts)
def test_falls_with_k_and_rises_with_c(case):
    n, c, _ = case
    by_k = pass_hat_k([n], [c], range(1, n + 1))[0]
    by_c = pass_hat_k([n] * (c + 1), range(c + 1), [1, max(1, n // 2)])
    assert (np.diff(by_k) <= 0).all() and (np.diff(by_c, axis=0) >= 0).all()


def test_undefined_where_n_is_below_k():
    assert np.isnan(pass_hat_k([2, 4, 0], [2, 0, 0], [1, 4])).tolist() == [[False, True], [False, False], [True, True]]


def test_against_scorio():
    reference = pytest.importorskip("scorio.eval")
    outcomes = np.random.default_rng(3).integers(0, 2, size=(20, 16))
    for k in (1, 3, 16):
        mean = pass_hat_k(np.full(20, 16), outcomes.sum(axis=1), [k]).mean()
        assert mean == pytest.approx(reference.pass_hat_k(outcomes, k), abs=1e-12)


def test_refuses_impossible_counts():
    with pytest.raises(UsageError, match="problem 0 \\(from 0\\) has n=4 rollouts and c=5 correct"):
        pass_hat_k([4], [5], [1])
    with pytest.raises(UsageError, match="k must be at least 1; got 0"):
        pass_hat_k([4], [2], [0])

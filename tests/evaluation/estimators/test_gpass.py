from fractions import Fraction
from math import ceil, comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.gpass import g_pass_at_k
from counterpoise.evaluation.estimators.mgpass import mg_pass_at_k
from counterpoise.evaluation.estimators.pass_hat import pass_hat_k
from counterpoise.evaluation.estimators.passk import pass_at_k

counts = st.integers(1, 1024).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
small_counts = st.integers(2, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(2, n)))
percents = st.integers(0, 100)


def exact(n, c, k, least):
    return Fraction(sum(comb(c, j) * comb(n - c, k - j) for j in range(least, min(c, k) + 1)), comb(n, k))


@pytest.mark.parametrize(
    ("n", "c", "k", "tau", "expected"),
    [
        (4, 2, 2, 0.5, 5 / 6),  # at least 1 of 2: 1 - C(2,2)/C(4,2)
        (4, 2, 2, 0.6, 1 / 6),  # at least 2 of 2: C(2,2)/C(4,2)
        (5, 3, 3, 0.5, 7 / 10),  # at least 2 of 3: (C(3,2)*2 + C(3,3))/C(5,3) = (6 + 1)/10
        (5, 3, 3, 0.0, 1.0),  # at least one: two wrong ones cannot fill three
        (10, 7, 10, 0.7, 1.0),  # 0.7 * 10 = 7.000000000000001 means 7
        (10, 6, 10, 0.7, 0.0),
    ],
)
def test_hand_worked(n, c, k, tau, expected):
    assert g_pass_at_k([n], [c], [k], tau)[0, 0] == pytest.approx(expected, abs=1e-15)


@given(counts, percents)
def test_agrees_with_rational_arithmetic(case, percent):
    n, c, k = case
    least = max(1, ceil(Fraction(percent, 100) * k))
    value = float(g_pass_at_k([n], [c], [k], percent / 100)[0, 0])
    assert abs(Fraction(value) - exact(n, c, k, least)) < Fraction(1, 10**12)


@given(counts)
def test_ends_are_pass_at_k_and_pass_hat_k(case):
    n, c, k = case
    assert g_pass_at_k([n], [c], [k], 0.0)[0, 0] == pytest.approx(pass_at_k([n], [c], [k])[0, 0], abs=1e-12)
    assert g_pass_at_k([n], [c], [k], 1.0)[0, 0] == pytest.approx(pass_hat_k([n], [c], [k])[0, 0], abs=1e-12)


@given(counts, percents, percents)
def test_falls_with_tau_and_rises_with_c(case, first, second):
    n, c, k = case
    low, high = sorted((first / 100, second / 100))
    assert g_pass_at_k([n], [c], [k], high)[0, 0] <= g_pass_at_k([n], [c], [k], low)[0, 0] + 1e-12
    better = min(c + 1, n)
    assert g_pass_at_k([n], [c], [k], low)[0, 0] <= g_pass_at_k([n], [better], [k], low)[0, 0] + 1e-12


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 3, 2, 1 / 2),  # 2/2 * P(X >= 2) = C(3,2)/C(4,2)
        (6, 4, 4, 1 / 3),  # P(X >= 3) = (C(4,3)*C(2,1) + 1)/C(6,4) = 9/15, P(X >= 4) = 1/15; 2/4 * 10/15
        (5, 5, 3, 2 / 3),  # odd k: 2/3 * P(X >= 3), all right and still not 1
        (5, 5, 4, 1.0),
    ],
)
def test_mean_over_thresholds_hand_worked(n, c, k, expected):
    assert mg_pass_at_k([n], [c], [k])[0, 0] == pytest.approx(expected, abs=1e-15)


@settings(max_examples=40, deadline=None)
@given(small_counts)
def test_mean_over_thresholds_is_its_defining_sum(case):
    # 2/k * sum over i in (ceil(k/2), k] of G-Pass@k at i/k
    n, c, k = case
    exact_sum = Fraction(2, k) * sum(exact(n, c, k, i) for i in range(-(-k // 2) + 1, k + 1))
    assert abs(Fraction(float(mg_pass_at_k([n], [c], [k])[0, 0])) - exact_sum) < Fraction(1, 10**12)


def test_undefined():
    assert np.isnan(g_pass_at_k([2, 4], [2, 0], [1, 4], 0.5)).tolist() == [[False, True], [False, False]]
    assert np.isnan(mg_pass_at_k([2, 4], [2, 4], [1, 2, 4])).tolist() == [[True, False, True], [True, False, False]]


def test_rows_of_different_counts_keep_their_order_and_repeat():
    n, c = [8, 2, 8, 4, 8], [5, 1, 3, 0, 5]
    expected = [float(exact(a, b, 2, 2)) for a, b in zip(n, c, strict=True)]
    assert g_pass_at_k(n, c, [2], 1.0)[:, 0] == pytest.approx(expected, abs=1e-15)
    assert g_pass_at_k([], [], [1], 0.5).shape == (0, 1)


def test_against_scorio():
    reference = pytest.importorskip("scorio.eval")
    outcomes = np.random.default_rng(3).integers(0, 2, size=(20, 16))
    n, c = np.full(20, 16), outcomes.sum(axis=1)
    for k in (2, 3, 10, 16):
        assert mg_pass_at_k(n, c, [k]).mean() == pytest.approx(reference.mg_pass_at_k(outcomes, k), abs=1e-12)
        for tau in (0.0, 0.25, 0.7, 1.0):
            expected = reference.g_pass_at_k_tau(outcomes, k, tau)
            assert g_pass_at_k(n, c, [k], tau).mean() == pytest.approx(expected, abs=1e-12)


def test_large_counts():
    # n = 10^6, half right, k = 2: P(X >= 2) = (500000 * 499999)/(10^6 * 999999)
    expected = 500_000 * 499_999 / (10**6 * 999_999)
    assert g_pass_at_k([10**6], [500_000], [2], 1.0)[0, 0] == pytest.approx(expected, rel=1e-12)
    # odd k and c = n/2: right and wrong are alike, so either has the majority half the time
    assert g_pass_at_k([10**6], [500_000], [9_999], 0.5)[0, 0] == pytest.approx(0.5, abs=1e-10)


@pytest.mark.parametrize("tau", [-0.1, 1.1, float("nan")])
def test_refuses_a_threshold_that_is_no_share(tau):
    with pytest.raises(UsageError, match=f"tau is a share of the responses and must lie in \\[0, 1\\]; got {tau}"):
        g_pass_at_k([4], [2], [2], tau)

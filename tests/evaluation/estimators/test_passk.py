import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import k_sweep, pass_at_k, pass_at_k_bounds
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS


def exact(n, c, k):
    return 1 - Fraction(comb(n - c, k), comb(n, k))


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 1, 2, 1 / 2),  # 1 - C(3,2)/C(4,2) = 1 - 3/6
        (5, 2, 3, 9 / 10),  # 1 - C(3,3)/C(5,3) = 1 - 1/10
        (10, 3, 1, 3 / 10),  # pass@1 is the mean
        (6, 4, 3, 1.0),  # two wrong ones cannot fill three tries
        (6, 1, 6, 1.0),
        (6, 0, 6, 0.0),
    ],
)
def test_hand_worked(n, c, k, expected):
    assert pass_at_k([n], [c], [k])[0, 0] == pytest.approx(expected, abs=1e-15)


def test_ends_are_exact():
    assert pass_at_k([7, 7], [0, 4], [4]).tolist() == [[0.0], [1.0]]


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_is_the_share_of_subsets_with_a_right_one(case):
    n, c, k = case
    subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k([n], [c], [k])[0, 0] == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-15)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_agrees_with_rational_arithmetic(case):
    assert abs(Fraction(float(pass_at_k(*([x] for x in case))[0, 0])) - exact(*case)) < Fraction(1, 10**12)


@given(st.integers(1, 40), st.integers(1, 40), st.fractions(0, 1))
def test_is_unbiased(n, k, p):
    # sum_c C(n,c) p^c (1-p)^(n-c) pass@k(n,c) = 1 - (1-p)^k
    k = min(k, n)
    chances = [float(comb(n, c) * p**c * (1 - p) ** (n - c)) for c in range(n + 1)]
    estimates = pass_at_k([n] * (n + 1), range(n + 1), [k])[:, 0]
    assert chances @ estimates == pytest.approx(float(1 - (1 - p) ** k), abs=1e-12)


def test_small_chance_keeps_its_digits():
    # one right in a million: pass@2 = 1 - C(999999,2)/C(10^6,2) = 2e-6 exactly
    assert pass_at_k([10**6], [1], [2])[0, 0] == pytest.approx(2e-6, rel=1e-9)


def test_undefined_where_n_is_below_k():
    values = pass_at_k([2, 4, 0], [2, 0, 0], [1, 4])
    assert np.isnan(values).tolist() == [[False, True], [False, False], [True, True]]


def test_rows_of_different_n_keep_their_order():
    n, c = [8, 2, 8, 4], [1, 1, 3, 0]
    assert pass_at_k(n, c, [2])[:, 0] == pytest.approx([float(exact(a, b, 2)) for a, b in zip(n, c, strict=True)])


def test_no_problems_and_no_k():
    assert pass_at_k([], [], [1, 2]).shape == (0, 2)
    assert pass_at_k([3], [1], []).shape == (1, 0)


@pytest.mark.parametrize("same_n", [True, False])
def test_ten_thousand_problems_take_less_than_a_second(within, same_n):
    generator = np.random.default_rng(0)
    n = np.full(10_000, 1024) if same_n else generator.integers(1, 1025, 10_000)
    c = generator.integers(0, n + 1)
    found = []
    assert within(1.0, lambda: found.append(pass_at_k(n, c, k_sweep(1024)).shape))
    assert set(found) == {(10_000, 11)}


def test_against_scorio():
    reference = pytest.importorskip("scorio.eval")
    outcomes = np.random.default_rng(3).integers(0, 2, size=(20, 16))
    for k in (1, 3, 16):
        mean = pass_at_k(np.full(20, 16), outcomes.sum(axis=1), [k]).mean()
        assert mean == pytest.approx(reference.pass_at_k(outcomes, k), abs=1e-12)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_bounds_hold_every_way_the_unscored_could_have_gone(scored, unscored, k, random):
    c, hidden = random.randint(0, scored), random.randint(0, unscored)
    low, high = pass_at_k_bounds([scored], [c], [unscored], [k])
    truth = pass_at_k([scored + unscored], [c + hidden], [k])
    assert np.isnan(truth[0, 0]) or low[0, 0] <= truth[0, 0] + 1e-15 <= high[0, 0] + 2e-15


def test_bounds_hand_worked():
    # n=2, c=1, two unscored, k=2: 1 - C(3,2)/C(4,2) = 1/2 and 1 - C(1,2)/C(4,2) = 1
    low, high = pass_at_k_bounds([2], [1], [2], [2])
    assert (low[0, 0], high[0, 0]) == (pytest.approx(0.5), 1.0)


def test_sweep():
    assert [k_sweep(n) for n in (0, 1, 12, 256)] == [[], [1], [1, 2, 4, 8], [1, 2, 4, 8, 16, 32, 64, 128, 256]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([4], [5], [1]), "problem 0 (from 0) has n=4 rollouts and c=5 correct; counts must satisfy 0 <= c <= n"),
        (([4, 4], [0, -1], [1]), "problem 1 (from 0) has n=4 rollouts and c=-1 correct"),
        (([MAX_ROLLOUTS + 1], [0], [1]), f"0 <= c <= n <= {MAX_ROLLOUTS}"),
        (([4], [1], [0]), "k must be at least 1; got 0"),
        (([4, 4], [1], [1]), "n and c must have one entry for each problem; got 2 and 1"),
        (
            ([4.5], [1], [1]),
            "n must be a list of integers, one for each problem (or each k); got shape (1,) of float64",
        ),
        (([4], [[1]], [1]), "c must be a list of integers"),
    ],
)
def test_impossible_counts_are_named(arguments, message):
    with pytest.raises(UsageError) as error:
        pass_at_k(*arguments)
    assert message in str(error.value)


def test_impossible_unscored_counts_are_named():
    with pytest.raises(
        UsageError, match="unscored must be one count >= 0 for each of 1 problem; got 1 count, the least -1"
    ):
        pass_at_k_bounds([4], [1], [-1], [1])

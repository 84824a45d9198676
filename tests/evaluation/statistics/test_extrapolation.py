import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.extrapolation import BetaBinomial, extrapolated_pass_at_k

positive = st.floats(min_value=0.01, max_value=100.0)


def generator():
    return np.random.default_rng(0)


@given(positive, positive, st.integers(1, 12))
def test_pass_at_k_is_one_minus_the_product_of_the_chances_to_fail_again(a, b, k):
    # B(a, b + k) / B(a, b) = prod_{i<k} (b + i) / (a + b + i)
    failing = math.prod((b + i) / (a + b + i) for i in range(k))
    assert BetaBinomial(a=a, b=b).pass_at_k(k) == pytest.approx(1 - failing, abs=1e-9)


def test_a_uniform_prior_has_k_over_k_plus_one():
    # E[1 - (1 - p)^k] = 1 - 1 / (k + 1)
    assert BetaBinomial(a=1, b=1).pass_at_k(4) == pytest.approx(0.8)


@pytest.mark.parametrize(("a", "b"), [(0.5, 6.0), (2.0, 2.0), (0.3, 0.3)])
def test_what_a_beta_gave_is_found_again_beyond_n(a, b):
    draws = np.random.default_rng(1)
    c = draws.binomial(8, draws.beta(a, b, size=4000))
    truth = BetaBinomial(a=a, b=b)
    for k, found in zip(
        (1, 8, 32), extrapolated_pass_at_k([8] * 4000, c, [1, 8, 32], generator=generator()), strict=True
    ):
        assert found.estimate == pytest.approx(truth.pass_at_k(k), abs=0.02)
        assert found.low <= found.estimate <= found.high


def test_within_n_it_stays_near_the_unbiased_estimate_and_does_not_fall_with_k():
    draws = np.random.default_rng(2)
    n, c = [8] * 64, draws.binomial(8, draws.beta(0.7, 5.0, size=64))
    found = [one.estimate for one in extrapolated_pass_at_k(n, c, [1, 2, 4, 8, 16, 64], generator=generator())]
    unbiased = pass_at_k(n, c, [1, 2, 4, 8]).mean(axis=0)
    assert found[:4] == pytest.approx(unbiased, abs=0.03)
    assert found == sorted(found)


@pytest.mark.parametrize("c", [0, 8])
def test_all_wrong_and_all_right_say_nothing_of_larger_k(c):
    (found,) = extrapolated_pass_at_k([8] * 5, [c] * 5, [16], generator=generator())
    assert math.isnan(found.estimate)


def test_one_solved_problem_of_eight_leaves_zero_open():
    # (7/8)^8 = 34% of the resamples hold no success
    (found,) = extrapolated_pass_at_k([4] * 8, [1] + [0] * 7, [8], generator=generator())
    assert found.low == 0.0 < found.estimate < found.high


def test_the_same_generator_gives_the_same_interval():
    one, other = (extrapolated_pass_at_k([8, 8, 8, 4], [0, 1, 5, 4], [16], generator=generator()) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("n", "c", "k"), [([], [], 1), ([8], [9], 1), ([8], [1], 0)])
def test_what_cannot_be(n, c, k):
    with pytest.raises(UsageError):
        extrapolated_pass_at_k(n, c, [k], generator=generator())

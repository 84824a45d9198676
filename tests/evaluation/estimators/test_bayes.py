from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.bayes import bayes_at_n, bayes_over_problems


def test_hand_worked():
    # n=2, c=1: Beta(2, 2), mean 1/2, variance 4/(16*5) = 1/20
    posterior = bayes_at_n([2], [1])
    assert (posterior.mean[0], posterior.deviation[0]) == (pytest.approx(0.5), pytest.approx(np.sqrt(0.05)))
    # n=1, c=1: Beta(2, 1) has P(p <= x) = x^2, so the 95% interval runs from sqrt(0.025) to sqrt(0.975)
    posterior = bayes_at_n([1], [1])
    assert (posterior.low[0], posterior.high[0]) == (pytest.approx(0.025**0.5), pytest.approx(0.975**0.5))


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_agrees_with_rational_arithmetic(case):
    n, c = case
    posterior = bayes_at_n([n], [c])
    mean, variance = Fraction(c + 1, n + 2), Fraction((c + 1) * (n - c + 1), (n + 2) ** 2 * (n + 3))
    assert posterior.mean[0] == pytest.approx(float(mean), rel=1e-13)
    assert posterior.deviation[0] ** 2 == pytest.approx(float(variance), rel=1e-12)
    assert 0 <= posterior.low[0] < posterior.mean[0] < posterior.high[0] <= 1


@given(st.integers(1, 300))
def test_rises_with_c_as_the_mean_does(n):
    posterior = bayes_at_n([n] * (n + 1), range(n + 1))
    for ends in (posterior.mean, posterior.low, posterior.high):
        assert (np.diff(ends) > 0).all()


def test_interval_holds_the_chance_as_often_as_it_says():
    # chances drawn from the prior: the credible interval covers 90% by construction; 20,000 draws have an error of 0.2%
    generator = np.random.default_rng(11)
    chance = generator.beta(2.0, 3.0, size=20_000)
    posterior = bayes_at_n(np.full(20_000, 8), generator.binomial(8, chance), prior=(2.0, 3.0), confidence=0.9)
    assert np.mean((posterior.low <= chance) & (chance <= posterior.high)) == pytest.approx(0.9, abs=0.008)


def test_earlier_responses_count_as_prior():
    assert bayes_at_n([4], [1], prior=(3.0, 2.0)).mean == bayes_at_n([7], [3]).mean


def test_undefined_without_responses():
    posterior = bayes_at_n([0, 1], [0, 0])
    for field in (posterior.mean, posterior.deviation, posterior.low, posterior.high):
        assert np.isnan(field).tolist() == [True, False]
    assert bayes_over_problems([0, 2], [0, 1]).problems == 1
    assert np.isnan(bayes_over_problems([0], [0]).estimate)


def test_over_problems_against_scorio():
    reference = pytest.importorskip("scorio.eval")
    outcomes = np.random.default_rng(3).integers(0, 2, size=(20, 16))
    mean, deviation = reference.bayes(outcomes, np.array([0.0, 1.0]))
    interval = bayes_over_problems(np.full(20, 16), outcomes.sum(axis=1))
    half = NormalDist().inv_cdf(0.975) * deviation
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (mean, mean - half, mean + half), abs=1e-12
    )


def test_over_problems_hand_worked():
    # Beta(2,2) and Beta(3,1): means 1/2 and 3/4, variances 1/20 and 3/80; mean 5/8, sigma = sqrt(7/80)/2
    interval = bayes_over_problems([2, 2], [1, 2], confidence=0.5)
    half = NormalDist().inv_cdf(0.75) * (7 / 80) ** 0.5 / 2
    assert (interval.estimate, interval.high - interval.low) == pytest.approx((0.625, 2 * half), abs=1e-12)


def test_refuses():
    with pytest.raises(UsageError, match=r"the prior Beta\(a, b\) needs a > 0 and b > 0, e.g. \(1, 1\); got \(0, 1\)"):
        bayes_at_n([2], [1], prior=(0, 1))
    with pytest.raises(UsageError, match=r"confidence must lie between 0 and 1, e.g. 0.95; got 95"):
        bayes_at_n([2], [1], confidence=95)

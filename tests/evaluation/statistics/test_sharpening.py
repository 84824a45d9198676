"""A policy against its base at equal pass@1: hand-made fractions, and coverage where the truth is not a difference."""

import numpy as np
import pytest

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.seeds import seeded_intervals
from counterpoise.evaluation.statistics.sharpening import beyond_sharpening

HOT = np.array([[0.2, 1.0], [0.4, 0.8]])
COLD = np.array([[0.6, 0.8], [0.8, 0.8]])


def test_the_base_itself_has_nothing_beyond():
    for own in (HOT, COLD, (HOT + COLD) / 2):
        assert beyond_sharpening(own, [COLD, HOT]).mean(axis=0) == pytest.approx([0.0, 0.0])


def test_means_are_taken_at_equal_pass_at_1():
    policy = np.array([[0.3, 0.9], [0.5, 1.0]])  # mean 0.4: a quarter of the way from 0.3 to 0.7
    found = beyond_sharpening(policy, [HOT, COLD])
    assert found[:, 0].mean() == pytest.approx(0.0)
    # the base has 0.9 there less a quarter of 0.1
    assert found[:, 1].mean() == pytest.approx(0.95 - 0.875)


def test_the_neighbours_are_taken_of_many():
    far = np.array([[0.9, 0.1], [0.9, 0.1]])
    policy = np.array([[0.3, 0.9], [0.5, 1.0]])
    assert beyond_sharpening(policy, [far, COLD, HOT]) == pytest.approx(beyond_sharpening(policy, [HOT, COLD]))


@pytest.mark.parametrize("pass_at_1", [0.1, 0.95])
def test_what_no_temperature_reaches_is_undefined(pass_at_1):
    policy = np.full((2, 2), pass_at_1)
    assert np.isnan(beyond_sharpening(policy, [HOT, COLD])).all()


def test_temperatures_that_agree_give_a_plain_difference():
    policy = np.array([[0.2, 0.5], [0.4, 0.5]])
    assert beyond_sharpening(policy, [HOT, HOT]) == pytest.approx(policy - HOT)


@pytest.mark.parametrize("base", [[HOT], [HOT, COLD[:1]]])
def test_one_temperature_or_other_problems_are_refused(base):
    with pytest.raises(UsageError, match="at least two temperatures on the policy's problems"):
        beyond_sharpening(HOT, base)


def test_the_interval_covers_no_difference_as_often_as_it_says():
    """Problems and rollouts are drawn anew 400 times; the policy is its base, by the toss of a coin at one temperature or the other."""
    rng = np.random.default_rng(0)
    n, ks, problems = 32, (1, 8), 200
    covered = 0
    for _ in range(400):
        p = rng.beta(2.0, 0.8, problems)

        def curves(power, p=p):
            chance = p**power / (p**power + (1 - p) ** power)
            return pass_at_k(np.full(problems, n), rng.binomial(n, chance), ks)

        half = np.where(rng.random(problems)[:, None] < 0.5, curves(1.0), curves(3.0))
        interval = seeded_intervals(beyond_sharpening(half, [curves(1.0), curves(3.0)])[None])[1]
        covered += interval.low <= 0.0 <= interval.high
    assert 0.93 <= covered / 400 <= 0.98

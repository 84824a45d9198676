import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.bands import (
    crossing_k,
    minimum_detectable,
    simultaneous_band,
    unpaired_band,
)
from counterpoise.evaluation.passk import pass_at_k

KS = [1, 2, 4, 8, 16]


def rng(seed=0):
    return np.random.default_rng(seed)


def sampled(generator, rates, n=16):
    return pass_at_k(np.full(len(rates), n), generator.binomial(n, rates), KS)


def test_the_band_holds_the_whole_curve_as_often_as_promised_and_the_intervals_do_not():
    # Problem rates ~ Beta(1, 3): pass@k = 1 - E (1-p)^k = 1 - 3/(3 + k).
    truth = 1 - 3 / (3 + np.array(KS))
    generator, trials, band, pointwise = rng(5), 500, 0, 0
    for _ in range(trials):
        points = simultaneous_band(
            sampled(generator, generator.beta(1, 3, size=200)), generator=generator, resamples=400
        )
        band += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
        pointwise += all(p.low <= t <= p.high for p, t in zip(points, truth, strict=True))
    assert 0.93 <= band / trials <= 0.97  # the binomial error of 500 trials is 0.010
    assert pointwise / trials < 0.91  # 0.89 in 1000 trials


def test_the_unpaired_band_holds_what_it_promises():
    truth = 3 / (3 + np.array(KS)) - 2 / (2 + np.array(KS))  # Beta(1, 2) less Beta(1, 3)
    generator, trials, held = rng(6), 300, 0
    for _ in range(trials):
        base, after = (sampled(generator, generator.beta(1, b, size=size)) for b, size in ((3, 80), (2, 120)))
        points = unpaired_band(base, after, generator=generator, resamples=300)
        held += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
    assert 0.92 <= held / trials <= 0.98


def test_one_column_is_nearly_students_t():
    # max-t over one column: q near 1.96, t(29) at Phi(1.96) = 2.045; half width 2.045 s / sqrt(30)
    values = rng(1).normal(size=30)
    [point] = simultaneous_band(values, generator=rng(2), resamples=20_000)
    assert point.critical == pytest.approx(2.045, rel=0.03)
    assert point.band_high - point.estimate == pytest.approx(point.critical * values.std(ddof=1) / math.sqrt(30))


def test_columns_that_move_together_cost_nothing():
    column = rng(1).normal(size=50)
    [alone] = simultaneous_band(column, generator=rng(2), resamples=500)
    many = simultaneous_band(np.stack([column, 2 * column, column + 1], axis=1), generator=rng(2), resamples=500)
    assert [point.critical for point in many] == pytest.approx([alone.critical] * 3)


def test_undefined_columns_and_columns_without_spread():
    values = np.array([[0.5, np.nan, 0.1], [0.5, np.nan, np.nan], [0.5, 0.7, 0.3]])
    flat, single, pair = simultaneous_band(values, generator=rng(), resamples=200)
    assert (flat.band_low, flat.estimate, flat.band_high, flat.problems) == (0.5, 0.5, 0.5, 3)
    assert (single.estimate, single.problems) == (0.7, 1)
    assert np.isnan([single.low, single.band_low, single.critical]).all()
    assert pair.problems == 2
    assert pair.band_low < pair.estimate < pair.band_high


def test_a_seed_fixes_band_and_crossing():
    values = rng(1).normal(size=(30, 2))
    one, same, other = (simultaneous_band(values, generator=rng(seed), resamples=100) for seed in (3, 3, 4))
    assert one == same != other
    one, same = (crossing_k([1, 2], values, generator=rng(3), resamples=100) for _ in range(2))
    assert repr(one) == repr(same)


def test_a_crossing_by_hand():
    # d(2) = 0.1 and d(8) = -0.3: zero a quarter of the way from log 2 to log 8, at 2 * 4^(1/4) = 2 sqrt 2
    found = crossing_k([1, 2, 8], [[0.2, 0.1, -0.3]] * 5, generator=rng(), resamples=50)
    assert found.state == "crosses"
    assert (found.k, found.low, found.high) == pytest.approx((2 * math.sqrt(2),) * 3)
    assert (found.crossing_share, found.under_share) == (1, 0)


@pytest.mark.parametrize(
    ("row", "state", "k"),
    [
        ([-0.1, -0.2, -0.3], "under", math.nan),
        ([0.1, -0.2, 0.1], "above", math.nan),
        ([0.0, 0.0, 1e-15], "above", math.nan),
        ([-0.1, -0.2, 0.0], "under", math.nan),  # they meet at the ceiling
        ([0.2, -0.2, 0.0], "crosses", math.sqrt(2.0)),
        ([-0.2, 0.2, 0.0], "above", math.nan),
        ([-0.1, 0.0, -0.1], "crosses", 2.0),  # under, level at 2, under for good after it
    ],
)
def test_only_the_last_change_counts(row, state, k):
    found = crossing_k([1, 2, 4], [row] * 3, generator=rng(), resamples=20)
    assert found.state == state
    assert found.k == pytest.approx(k, nan_ok=True)


def test_resamples_without_a_crossing_open_the_interval():
    # Two problems, d = (.5, -.1) and (.5, .05): all first (1/4): crosses, mixed (1/2): -.025 crosses, all second (1/4): never.
    found = crossing_k([1, 2], [[0.5, -0.1], [0.5, 0.05]], generator=rng(), resamples=4000)
    assert found.crossing_share == pytest.approx(0.75, abs=0.03)
    assert found.high == math.inf
    assert found.low == pytest.approx(2 ** (0.5 / 0.6))


def test_the_crossing_interval_holds_what_it_promises():
    # A solves half of the problems at rate .6: pass@4 .5 (1 - .4^4) = .4872, pass@8 = .49967. B solves all at rate .1: .3439, .56953.
    # Over log k the line is zero .14330/(.14330 + .06986) = .6723 of the way from 4 to 8.
    truth = 4 * 2**0.6723
    generator, trials, held = rng(7), 300, 0
    for _ in range(trials):
        a = sampled(generator, 0.6 * generator.integers(0, 2, size=150))
        found = crossing_k(KS, a - sampled(generator, np.full(150, 0.1)), generator=generator, resamples=300)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / trials <= 0.98  # the binomial error of 300 trials is 0.013


def test_detectable_by_hand():
    # 0, 0, 1, 1: mean 1/2, s = sqrt(1/3); z = 1.95996 + 0.84162: minimum 2.80159 * .57735 / 2, needed (2.80159 * .57735 / .5)^2 = 10.47
    [found] = minimum_detectable([0, 0, 1, 1])
    assert found.minimum == pytest.approx(0.808749, abs=1e-5)
    assert found.needed == 11


def test_the_detectable_difference_is_found_with_the_power_asked_for():
    generator, problems = rng(3), 60
    reach = minimum_detectable(generator.normal(size=200_000))[0].minimum * math.sqrt(200_000 / problems)
    draws = generator.normal(reach, 1, size=(4000, problems))
    found = np.abs(draws.mean(axis=1)) / (draws.std(axis=1, ddof=1) / math.sqrt(problems)) > 1.959964
    assert 0.78 <= found.mean() <= 0.82


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40), st.integers(0, 5))
def test_what_lies_inside_the_band_needs_more_problems(values, seed):
    [point] = simultaneous_band(values, generator=rng(seed), resamples=50)
    [found] = minimum_detectable(values, critical=[point.critical])
    if point.band_low < 0 < point.band_high and not math.isnan(found.needed):
        assert found.needed > len(values)
        assert found.minimum > abs(point.estimate)


def test_what_cannot_be_said_is_nan():
    values = np.array([[0.0, np.nan, 0.3], [0.0, np.nan, np.nan]])
    zero, none, one = minimum_detectable(values)
    assert (zero.minimum, none.minimum, one.minimum) == pytest.approx((0, math.nan, math.nan), nan_ok=True)
    assert np.isnan([zero.needed, none.needed, one.needed]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simultaneous_band([], generator=rng()), r"shape \(P,\) or \(P, K\) with P >= 1; got shape \(0,\)"),
        (lambda: simultaneous_band([1.0], generator=rng(), confidence=95), "confidence must lie between 0 and 1"),
        (lambda: simultaneous_band([1.0], generator=rng(), resamples=1), "resamples must be at least 2; got 1"),
        (lambda: minimum_detectable([1.0], power=1), "power must lie between 0 and 1, e.g. 0.95; got 1"),
        (lambda: unpaired_band([[1.0, 2.0]], [1.0], generator=rng()), "same k; got 2 and 1 columns"),
        (lambda: crossing_k([2, 1], [[0.1, 0.2]], generator=rng()), r"k must ascend .* 2 columns; got \[2, 1\]"),
        (lambda: crossing_k([1, 2], [[0.1, np.nan]], generator=rng()), "no problem is defined at k=2; leave that"),
    ],
)
def test_impossible_requests_are_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()

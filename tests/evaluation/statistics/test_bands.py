import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, ndtr, stdtrit

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.bands import (
    crossing_k,
    minimum_detectable,
    simultaneous_band,
    unpaired_band,
)

KS = [1, 2, 4, 8, 16]


def rng(seed=0):
    return np.random.default_rng(seed)


def sampled(generator, rates, n=16):
    return pass_at_k(np.full(len(rates), n), generator.binomial(n, rates), KS)


def test_the_band_holds_the_whole_curve_as_often_as_promised_and_the_intervals_do_not():
    # Problem rates ~ Beta(1, 3): pass@k = 1 - E (1-p)^k = 1 - 3/(3 + k).
    truth = 1 - 3 / (3 + np.array(KS))
    generator, trials, band, pointwise = rng(5), 300, 0, 0
    for _ in range(trials):
        points = simultaneous_band(
            sampled(generator, generator.beta(1, 3, size=200)), generator=generator, resamples=400
        )
        band += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
        pointwise += all(p.low <= t <= p.high for p, t in zip(points, truth, strict=True))
    assert 0.93 <= band / trials <= 0.99  # the binomial error of 300 trials is 0.013
    assert pointwise / trials < 0.91  # 0.89 in 1000 trials


def test_the_unpaired_band_holds_what_it_promises():
    truth = 3 / (3 + np.array(KS)) - 2 / (2 + np.array(KS))  # Beta(1, 2) less Beta(1, 3)
    generator, trials, held = rng(6), 300, 0
    for _ in range(trials):
        base, after = (sampled(generator, generator.beta(1, b, size=size)) for b, size in ((3, 80), (2, 120)))
        points = unpaired_band(base, after, generator=generator, resamples=300)
        held += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
    assert 0.92 <= held / trials <= 0.98


def skewed(a, b, ks=KS, n=128):
    """Draw pass@k of problems with rates from Beta(a, b), and the truth 1 - B(a, b + k)/B(a, b)."""
    ks = np.array(ks)

    def draw(generator, problems):
        return pass_at_k(np.full(problems, n), generator.binomial(n, generator.beta(a, b, problems)), ks)

    return draw, 1 - np.exp(betaln(a, b + ks) - betaln(a, b))


@pytest.mark.parametrize("problems", [10, 30, 100])
@pytest.mark.parametrize(("a", "b"), [(0.3, 2.0), (1.0, 3.0), (0.39, 0.1)], ids=["skewed", "smooth", "two peaks"])
def test_the_band_holds_what_it_promises_with_few_problems(a, b, problems):
    # The curve up to k = 128: of the middle one nearly all problems are solved there, of the last nearly all are solved or none ever. A
    # band without made-up problems held these in 82%, 17% and 26% with 10 problems, and in 94%, 84% and 89% with 100.
    draw, truth = skewed(a, b, [1, 2, 4, 8, 16, 32, 64, 128])
    generator, trials, held = rng(problems), 200, 0
    for _ in range(trials):
        points = simultaneous_band(draw(generator, problems), generator=generator, resamples=150)
        held += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
    # 10 problems of two peaks hold no unsolved one in 8% of the draws. The binomial error of 200 trials is 0.015.
    assert held / trials >= (0.88 if (a, problems) == (0.39, 10) else 0.92)


@pytest.mark.parametrize("problems", [10, 30, 100])
def test_the_band_of_paired_differences_holds_what_it_promises(problems):
    # before ~ Beta(1, 3), after = before^(3/4): pass@k differs by E (1 - p)^k - E (1 - p^(3/4))^k, the mean over 400,000 problems
    ks, n = np.array([1, 4, 16, 64]), 64
    large = rng(1).beta(1, 3, 400_000)
    truth = np.array([((1 - large) ** k - (1 - large**0.75) ** k).mean() for k in ks])
    generator, trials, held = rng(problems), 200, 0
    for _ in range(trials):
        rates = generator.beta(1, 3, problems)
        before, after = (pass_at_k(np.full(problems, n), generator.binomial(n, r), ks) for r in (rates, rates**0.75))
        points = simultaneous_band(after - before, generator=generator, resamples=150)
        held += all(p.band_low <= t <= p.band_high for p, t in zip(points, truth, strict=True))
    assert held / trials >= 0.92


def test_one_column_is_somewhat_wider_than_students_t():
    # One column: q is below its own t(29) at 97.5%, 2.045; the made-up problems add 3 d^2 to 30 s^2 and 3 to 30, d the largest deviation
    values = rng(1).normal(size=30)
    [point] = simultaneous_band(values, generator=rng(2), resamples=20_000)
    variance, reach = values.var(), np.abs(values - values.mean()).max()
    least = 2.04523 * math.sqrt((30 * variance + 3 * reach**2) / 33 / 29)
    assert point.band_high - point.estimate == pytest.approx(least, rel=1e-5)
    assert least > 2.04523 * values.std(ddof=1) / math.sqrt(30)
    assert point.band_high - point.estimate == pytest.approx(point.critical * values.std(ddof=1) / math.sqrt(30))


def test_a_hand_worked_band():
    # 0, 0, 1, 1: s^2 = 1/4, d = 1/2: v(w) = (4/4 + 2w/4) / (4 + 2w) = 1/4 whatever w, so the standard error is sqrt(1/12); a resample with
    # c ones has |m* - m| 2 = |c - 2|/2 and v*(1) = (c (4 - c)/4 + 1/2) / 6: c = 2 gives T = 0; c = 1, 3 (8 of 16): v* = 5/24,
    # T = (1/2) / sqrt((4 * 5/24 + 2/4)/6) = 1.0607; c = 0, 4 (2 of 16): v* = 1/12, T = 1 / sqrt((4/12 + 2/4)/6) = 2.6833 is the 95%
    # quantile; t(3) at Phi(2.6833) = 0.996356 is 6.294.
    [point] = simultaneous_band([0, 0, 1, 1], generator=rng(3), resamples=4000)
    half = stdtrit(3, ndtr(2.683282)) * math.sqrt(0.25 / 3)
    assert point.band_high - 0.5 == pytest.approx(half, rel=1e-5)


def test_columns_that_move_together_cost_nothing():
    column = rng(1).normal(size=50)
    [alone] = simultaneous_band(column, generator=rng(2), resamples=500)
    many = simultaneous_band(np.stack([column, -column, column + 1], axis=1), generator=rng(2), resamples=500)
    assert [point.critical for point in many] == pytest.approx([alone.critical] * 3)


@given(st.floats(0.01, 100), st.floats(-5, 5))
def test_units_do_not_matter(scale, shift):
    values = rng(4).normal(size=(12, 3))
    plain = simultaneous_band(values, generator=rng(5), resamples=50)
    moved = simultaneous_band(scale * values + shift, generator=rng(5), resamples=50)
    for one, other in zip(plain, moved, strict=True):
        assert other.band_low == pytest.approx(scale * one.band_low + shift, abs=1e-6 * scale)
        assert other.critical == pytest.approx(one.critical, rel=1e-6)


def test_a_column_without_spread_beside_others_has_width_and_alone_it_has_none():
    # a k at which all ten problems are solved says nothing of the eleventh; its width comes from how far problems lie apart elsewhere
    values = np.column_stack([np.linspace(0, 1, 10), np.ones(10)])
    apart, flat = simultaneous_band(values, generator=rng(), resamples=500)
    # d = 1/2, v(1.5) = 3/4 / 13 = 0.0577; t(9) >= 2.262
    assert flat.band_low <= 1 - 2.262 * math.sqrt(0.0577 / 9)
    assert math.isinf(flat.critical) and (flat.low, flat.high) == (1.0, 1.0)
    assert apart.critical > 2.262
    [alone] = simultaneous_band(np.ones(10), generator=rng(), resamples=500)
    assert (alone.band_low, alone.band_high, alone.critical) == (1.0, 1.0, 0.0)


def test_undefined_columns():
    values = np.array([[0.4, np.nan, 0.1], [0.5, np.nan, np.nan], [0.6, 0.7, 0.3]])
    full, single, pair = simultaneous_band(values, generator=rng(), resamples=200)
    assert (full.estimate, full.problems) == (pytest.approx(0.5), 3)
    assert full.band_low < 0.5 < full.band_high
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

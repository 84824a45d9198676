import tracemalloc

import numpy as np
import pytest

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.intervals import bootstrap_intervals, exact_interval, paired_differences


def rng(seed=0):
    return np.random.default_rng(seed)


def test_bootstrap_is_the_quantile_of_resampled_means():
    values = rng(1).random(7)
    picks = rng(2).integers(0, 7, size=(500, 7))  # one chunk: the same draws as inside
    [interval] = bootstrap_intervals(values, generator=rng(2), resamples=500)
    # t(6) at 97.5% is 2.446912, times sqrt(7/6) is 2.642969: Phi(-2.642969) = 0.004109
    ends = np.quantile(values[picks].mean(axis=1), [0.004109, 1 - 0.004109])
    assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-4)
    assert interval.estimate == pytest.approx(values.mean())


def test_two_problems_resample_to_three_means():
    # values 0 and 1: means 0, 1/2, 1 with chance 1/4, 1/2, 1/4. t(1) at 60% is 0.32492, times sqrt(2) 0.45951: Phi(-0.45951) = 0.3229
    # lies inside the middle half; at 80% it is t 1.37638, 1.94650 and Phi(-1.94650) = 0.0258 does not
    [interval] = bootstrap_intervals([0.0, 1.0], generator=rng(), confidence=0.2)
    assert (interval.low, interval.high) == (0.5, 0.5)
    [interval] = bootstrap_intervals([0.0, 1.0], generator=rng(), confidence=0.6)
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize(("problems", "least"), [(8, 0.92), (16, 0.93), (30, 0.93)])
def test_few_problems_cover_nearly_what_they_promise(problems, least):
    # The same with few problems: plain percentiles held 89%, 92% and 93% of 4,000 such evaluations. The binomial error is 0.009.
    generator, hits, trials = rng(5), 0, 600
    for _ in range(trials):
        values = pass_at_k(np.full(problems, 16), generator.binomial(16, generator.beta(1, 3, size=problems)), [4])
        [interval] = bootstrap_intervals(values, generator=generator, resamples=600)
        hits += interval.low <= 4 / 7 <= interval.high
    assert least <= hits / trials <= 0.98


def test_covers_what_it_promises():
    # Problem rates ~ Beta(1, 3), pass@4 = 1 - E (1-p)^4 = 1 - 3/7 = 4/7; 200 problems, n=16.
    generator, hits, trials = rng(5), 0, 600
    for _ in range(trials):
        c = generator.binomial(16, generator.beta(1, 3, size=200))
        values = pass_at_k(np.full(200, 16), c, [4])
        [interval] = bootstrap_intervals(values, generator=generator, resamples=600)
        hits += interval.low <= 4 / 7 <= interval.high
    assert 0.93 <= hits / trials <= 0.97  # the binomial error of 600 trials is 0.009


def test_undefined_values_take_no_part():
    values = np.array([[0.2, np.nan, np.nan], [0.4, 0.6, np.nan], [0.9, 0.8, np.nan]])
    all_rows, two_rows, none = bootstrap_intervals(values, generator=rng())
    assert (all_rows.problems, two_rows.problems, none.problems) == (3, 2, 0)
    assert two_rows.estimate == pytest.approx(0.7)
    assert (two_rows.low, two_rows.high) == pytest.approx((0.6, 0.8))
    assert np.isnan([none.estimate, none.low, none.high]).all()


def test_one_problem_has_no_interval():
    [interval] = bootstrap_intervals([0.5], generator=rng())
    assert interval.estimate == 0.5
    assert np.isnan([interval.low, interval.high]).all()


def test_a_seed_fixes_the_interval():
    first, again, other = (bootstrap_intervals(rng(1).random(30), generator=rng(seed)) for seed in (4, 4, 5))
    assert first == again != other


def test_memory_is_bounded():
    values = rng().random((20_000, 2))
    tracemalloc.start()
    bootstrap_intervals(
        values, generator=rng(), resamples=300
    )  # 6 million draws: 48 MB of indices at once if unchunked
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 110e6


def test_pairing_removes_the_spread_between_problems():
    base = rng(2).random(100)
    ids = [f"p{i}" for i in range(100)]
    [interval] = paired_differences(ids, base, ids, base + 0.1, generator=rng())
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((0.1, 0.1, 0.1))


def test_pairs_are_matched_by_id():
    [interval] = paired_differences(["a", "b", "c"], [0.0, 0.5, 1.0], ["c", "a", "b"], [1.0, 0.0, 0.5], generator=rng())
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_a_problem_undefined_on_one_side_is_undefined_in_the_difference():
    [interval] = paired_differences(
        ["a", "b", "c"], [0.1, np.nan, 0.3], ["a", "b", "c"], [0.2, 0.9, 0.4], generator=rng()
    )
    assert interval.problems == 2
    assert interval.estimate == pytest.approx(0.1)


def test_different_problems_are_refused():
    with pytest.raises(
        DataError, match="did not answer the same problems: 1 in common, 1 only in the base, 2 only in the other"
    ):
        paired_differences(["a", "b"], [0, 1], ["b", "c", "d"], [0, 1, 1], generator=rng())


def test_a_repeated_problem_is_refused():
    with pytest.raises(
        DataError, match="the base run lists 2 problem ids, 1 of them distinct, for 2 rows; give each problem once"
    ):
        paired_differences(["a", "a"], [0, 1], ["a", "b"], [0, 1], generator=rng())


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([], {}, r"values of shape \(P,\) or \(P, K\) with P >= 1; got shape \(0,\)"),
        ([1.0], {"confidence": 95}, "confidence must lie between 0 and 1, e.g. 0.95; got 95"),
        ([1.0], {"resamples": 1}, "resamples must be at least 2; got 1"),
    ],
)
def test_impossible_requests_are_named(values, options, message):
    with pytest.raises(UsageError, match=message):
        bootstrap_intervals(values, generator=rng(), **options)


@pytest.mark.parametrize(
    ("successes", "problems", "low", "high"),
    [
        (0, 64, 0.0, 1 - 0.025 ** (1 / 64)),  # (1 - high)^64 = 0.025
        (64, 64, 0.025 ** (1 / 64), 1.0),
        (1, 1, 0.025, 1.0),
        (5, 10, 0.18709, 0.81291),  # Clopper & Pearson's own kind of table
    ],
)
def test_the_exact_interval(successes, problems, low, high):
    found = exact_interval(successes, problems)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)
    assert found.estimate == successes / problems


@pytest.mark.parametrize(("successes", "problems"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_that_cannot_be(successes, problems):
    with pytest.raises(UsageError, match="a share needs"):
        exact_interval(successes, problems)

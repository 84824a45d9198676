"""Intervals over seeds and problems: worked numbers, the limits they must have, and their coverage by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import t

from counterpoise.errors import UsageError
from counterpoise.evaluation.statistics.seeds import pooled_intervals, seeded_intervals


def test_a_worked_example():
    # by seed 2 and 4, by problem 1, 3, 5: v_S = 2/2 = 1, v_P = 4/3; df = (7/3)^2 / (1/1 + (16/9)/2) = 49/17
    (found,) = seeded_intervals([[0.0, 2.0, 4.0], [2.0, 4.0, 6.0]])
    half = float(t.ppf(0.975, 49 / 17)) * math.sqrt(7 / 3)
    assert found.estimate == 3.0
    assert found.by_seed == (2.0, 4.0)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))


def test_one_seed_is_the_t_interval_over_problems():
    values = np.random.default_rng(0).normal(size=(1, 30, 2))
    for found, column in zip(seeded_intervals(values), values[0].T, strict=True):
        half = float(t.ppf(0.975, 29)) * column.std(ddof=1) / math.sqrt(30)
        mean = column.mean()
        assert (found.estimate, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))


def test_equal_seeds_leave_the_problems_spread():
    values = np.random.default_rng(1).normal(size=(1, 40))
    same, one = seeded_intervals(np.repeat(values, 3, axis=0)), seeded_intervals(values)
    assert (same[0].low, same[0].high) == pytest.approx((one[0].low, one[0].high), rel=1e-3)


def test_equal_values_have_an_interval_of_no_length():
    (found,) = seeded_intervals(np.full((3, 5), 0.5))
    assert (found.low, found.estimate, found.high) == (0.5, 0.5, 0.5)


def test_a_column_with_an_undefined_value_is_undefined_alone():
    values = np.ones((2, 4, 2))
    values[1, 2, 0] = np.nan
    undefined, defined = seeded_intervals(values)
    assert math.isnan(undefined.estimate)
    assert defined.estimate == 1.0


@pytest.mark.parametrize(
    ("seed", "problem", "noise"), [(0.0, 1.0, 1.0), (0.1, 0.5, 1.0), (0.5, 0.5, 1.0), (0.2, 0.1, 1.0)]
)
def test_coverage(seed, problem, noise):
    # 2,000 studies of 3 seeds x 50 problems: the standard error of a coverage of 95% is 0.5 points
    generator = np.random.default_rng(7)
    shapes = {(3, 1, 2000): seed, (1, 50, 2000): problem, (3, 50, 2000): noise}
    values = sum(scale * generator.normal(size=shape) for shape, scale in shapes.items())
    covered = np.mean([found.low <= 0.0 <= found.high for found in seeded_intervals(values)])
    assert 0.915 <= covered <= 0.995


def test_a_pooled_worked_example():
    # the worked example with weight 1/4 beside (1, 2) and (3, 6) with 3/4: v_S = 25/16, v_P = 1, each df 1
    groups = [
        (np.array([[[0.0], [2.0], [4.0]], [[2.0], [4.0], [6.0]]]), 0.25),
        (np.array([[[1.0], [2.0]], [[3.0], [6.0]]]), 0.75),
    ]
    (found,) = pooled_intervals(groups)
    parts = [(1 / 16, 1), (4 / 3 / 16, 2), (9 / 16 * 9 / 4, 1), (9 / 16 * 1, 1)]
    variance = sum(part for part, _ in parts)
    df = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = float(t.ppf(0.975, df)) * math.sqrt(variance)
    assert found.estimate == pytest.approx(0.25 * 3 + 0.75 * 3)
    assert found.by_seed == pytest.approx((0.25 * 2 + 0.75 * 1.5, 0.25 * 4 + 0.75 * 4.5))
    assert (found.low, found.high, found.problems) == (pytest.approx(3 - half), pytest.approx(3 + half), 5)


def test_one_pooled_group_is_the_interval_itself():
    values = np.random.default_rng(3).normal(size=(3, 20, 4))
    assert pooled_intervals([(values, 1.0)]) == seeded_intervals(values)


def test_pooled_coverage():
    # 2,000 studies of two groups with 3 seeds each, of other sizes and spreads
    generator = np.random.default_rng(8)
    groups = []
    for size, seed, weight in ((40, 0.1, 0.5), (120, 0.3, 0.5)):
        shapes = {(3, 1, 2000): seed, (1, size, 2000): 0.5, (3, size, 2000): 1.0}
        groups.append((sum(scale * generator.normal(size=shape) for shape, scale in shapes.items()), weight))
    covered = np.mean([found.low <= 0.0 <= found.high for found in pooled_intervals(groups)])
    assert 0.915 <= covered <= 0.995


def test_pooled_groups_of_other_seeds_are_refused():
    with pytest.raises(UsageError, match=r"expected one pair of numbers"):
        pooled_intervals([(np.zeros((2, 3, 1)), 0.5), (np.zeros((3, 3, 1)), 0.5)])
    with pytest.raises(UsageError, match="confidence is 95"):
        pooled_intervals([(np.zeros((2, 3, 1)), 1.0)], confidence=95)


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match=r"shape \(3,\); expected \(S, P\)"):
        seeded_intervals([1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="confidence is 95"):
        seeded_intervals([[1.0, 2.0]], confidence=95)

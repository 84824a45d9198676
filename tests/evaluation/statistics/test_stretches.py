"""Where a curve gains, where it loses, where it does so first: read off a band."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.bands import BandPoint, simultaneous_band
from counterpoise.evaluation.statistics.stretches import FirstLoss, first_loss, stretches


def band(*ends):
    return [
        BandPoint(estimate=(low + high) / 2, low=low, high=high, band_low=low, band_high=high, critical=2.0, problems=9)
        for low, high in ends
    ]


UP, OPEN, DOWN, FLAT, NONE = (0.1, 0.2), (-0.1, 0.1), (-0.2, -0.1), (0.0, 0.0), (math.nan, math.nan)


def said(*ends):
    points = band(*ends)
    ks = range(1, len(points) + 1)
    return [(one.state, one.first_k, one.last_k) for one in stretches(ks, points)], first_loss(ks, points)


@pytest.mark.parametrize(
    ("ends", "states", "ranges", "never"),
    [
        ([UP, UP, OPEN, DOWN, DOWN], [("gains", 1, 2), ("undecided", 3, 3), ("loses", 4, 5)], [(3, 4)], False),
        ([UP, OPEN, UP, OPEN], [("gains", 1, 1), ("undecided", 2, 2), ("gains", 3, 3), ("undecided", 4, 4)],
         [(2, 2), (4, 4)], True),
        ([DOWN, UP, DOWN], [("loses", 1, 1), ("gains", 2, 2), ("loses", 3, 3)], [(1, 1)], False),
        ([UP, UP], [("gains", 1, 2)], [], True),
        ([FLAT, FLAT, UP], [("equal", 1, 2), ("gains", 3, 3)], [], True),
        ([OPEN, NONE, DOWN], [("undecided", 1, 1), ("loses", 3, 3)], [(1, 3)], False),
        ([NONE], [], [], True),
        ([], [], [], True),
    ],
)  # fmt: skip
def test_stretches_and_the_first_loss(ends, states, ranges, never):
    assert said(*ends) == (states, FirstLoss(ranges=tuple(ranges), never=never))


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1, max_size=12),
    st.lists(st.floats(0, 1), min_size=12, max_size=12),
)
def test_every_curve_inside_the_band_has_its_first_loss_in_the_set(ends, where):
    points = band(*((low, low + width) for low, width in ends))
    curve = [point.band_low + at * (point.band_high - point.band_low) for point, at in zip(points, where, strict=False)]
    ks = range(1, len(points) + 1)
    found = first_loss(ks, points)
    first = next((k for k, value in zip(ks, curve, strict=True) if value < 0), None)
    if first is None:
        assert found.never
    else:
        assert any(low <= first <= high for low, high in found.ranges)


def test_the_set_holds_the_true_first_loss_about_as_often_as_it_says():
    """100 problems of which each has p before and a power of it after: it gains where p is large and loses where it is small."""
    generator = np.random.default_rng(5)
    ks, repetitions, held = list(range(1, 17)), 60, 0
    grid = np.linspace(0.0005, 0.9995, 1000)

    def after(p):
        return np.where(p > 0.5, p**0.6, p**1.6)

    def curve(p):
        return np.array([np.mean(1 - (1 - p) ** k) for k in ks])

    true = curve(after(grid)) - curve(grid)
    first = next(k for k, value in zip(ks, true, strict=True) if value < 0)
    for _ in range(repetitions):
        p = generator.uniform(size=100)
        n = np.full(100, 16)
        c = (generator.binomial(16, probability) for probability in (p, after(p)))
        before_PK, after_PK = (pass_at_k(n, drawn, ks) for drawn in c)
        points = simultaneous_band(after_PK - before_PK, generator=generator, resamples=400)
        held += any(low <= first <= high for low, high in first_loss(ks, points).ranges)
    # 95% of 60 is 57, less three standard deviations of 1.7
    assert held >= 52

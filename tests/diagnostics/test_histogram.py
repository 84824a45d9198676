import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.diagnostics.histogram import BINS, REACH, SCALE, WIDTH, Histogram, add_histograms, quantile_columns
from counterpoise.errors import UsageError

VALUES = st.lists(st.floats(-100.0, 100.0), max_size=40)


def test_a_quantile_is_the_centre_of_its_bin_and_never_beyond_the_extremes():
    values = Histogram.of([0.5, 1.0, 2.0, 4.0])
    assert (values.count, values.low, values.high) == (4, 0.5, 4.0)
    # 2 of 4 values do not exceed the median, the second; asinh(1 / 0.01) / 0.02 = 264.92, bin 265
    assert values.quantile(0.5) == pytest.approx(SCALE * math.sinh(265 * WIDTH), rel=1e-12)
    assert values.quantile(0.5) == pytest.approx(1.0, rel=0.01)
    # three quarters: the third; a little more: the fourth, whose bin's centre (4.018) lies beyond the largest
    assert [values.quantile(q) for q in (0.75, 0.76)] == [pytest.approx(2.0, rel=0.01), pytest.approx(4.0, rel=0.01)]
    assert values.quantile(1.0) <= 4.0
    assert values.quantile(0.01) >= 0.5


def test_without_values_a_quantile_is_undefined_and_nonsense_is_refused():
    assert math.isnan(Histogram.of([]).quantile(0.5))
    with pytest.raises(UsageError, match=r"share in \(0, 1\]; got 0"):
        Histogram.of([1.0]).quantile(0.0)
    with pytest.raises(UsageError, match="a histogram got NaN"):
        Histogram.of([math.nan])


def test_a_hundred_values_have_their_99th_at_99_per_cent():
    # 0.99 * 100 is 99.00000000000001 in binary: the 99th value all the same
    assert Histogram.of(np.arange(1, 101)).quantile(0.99) == pytest.approx(99, rel=0.01)
    assert Histogram.of([0.0] * 99 + [3.0]).quantile(0.99) == 0.0


def test_values_beyond_the_grid_count_in_its_last_bin_and_keep_their_extreme():
    histogram = Histogram.of([1e6, -math.inf])
    assert (histogram.counts[0], histogram.counts[BINS - 1], histogram.high) == (1, 1, 1e6)
    assert histogram.quantile(1.0) == pytest.approx(SCALE * math.sinh(WIDTH * REACH))


@given(VALUES, VALUES, st.floats(0.01, 1.0))
def test_quantiles_of_merged_histograms_are_those_of_the_union_within_a_bin(one, other, share):
    merged = Histogram.of(one) + Histogram.of(other)
    union = Histogram.of(one + other)
    assert np.array_equal(merged.counts, union.counts)
    assert (merged.low, merged.high) == (union.low, union.high)
    if one + other:
        exact = sorted(one + other)[max(1, math.ceil(round(share * len(one + other), 9))) - 1]
        assert merged.quantile(share) == pytest.approx(exact, rel=0.0101, abs=1.01e-4)


def test_columns_are_quantiles_and_ratios():
    columns = quantile_columns(
        {"surprisal": Histogram.of([1.0] * 9 + [2.0]), "ratio_plus": Histogram.of([math.log(2.0)], logs=True)}
    )
    assert set(columns) == {
        "surprisal_p50", "surprisal_p90", "surprisal_p99", "ratio_plus_p01", "ratio_plus_p50", "ratio_plus_p99", "ratio_plus_max",
    }  # fmt: skip
    # nine of ten values do not exceed 1
    assert columns["surprisal_p90"] == pytest.approx(1.0, rel=0.01)
    assert columns["surprisal_p99"] == pytest.approx(2.0, rel=0.01)
    # one value: kept between the extremes, so exact
    assert columns["ratio_plus_p01"] == columns["ratio_plus_max"] == pytest.approx(2.0, rel=1e-12)
    assert math.isnan(quantile_columns({"ratio_minus": Histogram.of([], logs=True)})["ratio_minus_max"])


def test_histograms_of_one_name_add_up():
    totals = {}
    add_histograms(totals, {"a": Histogram.of([1.0])})
    add_histograms(totals, {"a": Histogram.of([2.0]), "b": Histogram.of([])})
    assert (totals["a"].count, totals["b"].count) == (2, 0)

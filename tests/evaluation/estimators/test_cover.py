import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.cover import cover_at_tau
from counterpoise.evaluation.estimators.mean import mean_at_n


def test_hand_worked():
    # shares 1/4, 3/4, 1 against 0.25, 0.5, 1
    values = cover_at_tau([4, 4, 2], [1, 3, 2], [0.25, 0.5, 1.0])
    assert values.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert values.mean(axis=0).tolist() == pytest.approx([1, 2 / 3, 1 / 3])


@given(st.integers(1, 2000), st.integers(1, 100))
def test_a_threshold_in_per_cent_is_met_exactly(n, percent):
    # c/n >= percent/100 in integers
    c = np.arange(n + 1)
    values = cover_at_tau(np.full(n + 1, n), c, [percent / 100])[:, 0]
    assert values.tolist() == (100 * c >= percent * n).astype(float).tolist()


@given(st.integers(1, 50), st.data())
def test_area_over_tau_is_the_mean(n, data):
    # the integral of 1[c/n >= tau] over tau in (0, 1] is c/n; a grid of the n steps is exact
    c = data.draw(st.integers(0, n))
    assert cover_at_tau([n], [c], np.arange(1, n + 1) / n).mean() == pytest.approx(c / n, abs=1e-12)


def test_undefined_without_responses():
    assert np.isnan(cover_at_tau([0, 1], [0, 0], [0.5])).tolist() == [[True], [False]]
    values = mean_at_n([0, 4], [0, 3])
    assert np.isnan(values[0]) and values[1] == 0.75


@pytest.mark.parametrize("tau", [0.0, 1.5, float("nan")])
def test_refuses_a_threshold_outside(tau):
    with pytest.raises(UsageError, match=r"tau must be a list of thresholds in \(0, 1\], e.g. \[0.5, 0.9\]; got"):
        cover_at_tau([4], [2], [tau])

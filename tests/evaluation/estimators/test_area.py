import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.area import area_over_log_k
from counterpoise.evaluation.estimators.passk import k_sweep


def test_hand_worked():
    # n=4, c=1: pass@1,2,4 = 1/4, 1/2, 1; two octaves of equal width: (3/8 + 3/4)/2 = 9/16
    assert area_over_log_k([4], [1], [1, 2, 4])[0] == pytest.approx(9 / 16, abs=1e-15)
    # k = 1, 2, 8 with n=8, c=1: 1/8, 1/4, 1; widths 1 and 2 of 3: (3/16 + 2 * 5/8)/3 = 23/48
    assert area_over_log_k([8], [1], [8, 1, 2, 2])[0] == pytest.approx(23 / 48, abs=1e-15)


@given(st.integers(2, 500), st.data())
def test_lies_between_the_ends_of_the_curve_and_rises_with_c(n, data):
    c = data.draw(st.integers(0, n - 1))
    low, high = area_over_log_k([n, n], [c, c + 1], k_sweep(n))
    assert 0 <= low <= high <= 1 + 1e-12


def test_always_and_never_solved_and_undefined():
    values = area_over_log_k([8, 8, 4], [8, 0, 2], [1, 2, 8])
    assert values[:2].tolist() == pytest.approx([1.0, 0.0]) and np.isnan(values[2])


def test_refuses_one_k():
    with pytest.raises(UsageError, match=r"an area needs at least two different k; got \[4\]"):
        area_over_log_k([8], [1], [4, 4])


@pytest.mark.parametrize(
    ("p", "slope"), [(0.01, 0.905), (0.02, 0.979), (0.05, 0.973), (0.1, 0.946), (0.2, 0.890), (0.5, 0.715)]
)
def test_its_slope_over_log_p_is_nearly_flat(p, slope):
    # Why MaxRL, the gradient of log p, is nearly the gradient of the area: d area / d log p, times log 256, is close to 1 over a decade.
    n = 40_000

    def area(success):
        return area_over_log_k([n], [round(success * n)], k_sweep(256))[0]

    step = p / 10
    found = math.log(256) * (area(p + step) - area(p - step)) / math.log((p + step) / (p - step))
    assert found == pytest.approx(slope, abs=0.01)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.bounds import bounds
from counterpoise.evaluation.estimators.mean import mean_at_n
from counterpoise.evaluation.estimators.pass_hat import pass_hat_k
from counterpoise.evaluation.estimators.registry import ESTIMATORS

ASKED = {"k": [1, 2, 4], "tau": 0.6}
OF_COUNTS = [name for name, kind in ESTIMATORS.items() if kind.data == ("n", "c") and kind.posterior is None]


def test_hand_worked():
    # n=2, c=1, two unscored: pass^2 from C(1,2)/C(4,2) = 0 to C(3,2)/C(4,2) = 1/2, the mean from 1/4 to 3/4
    low, high = bounds(pass_hat_k, [2], [1], [2], [2])
    assert (low[0, 0], high[0, 0]) == (0.0, pytest.approx(0.5))
    assert [end.tolist() for end in bounds(mean_at_n, [2], [1], [2])] == [[0.25], [0.75]]


@pytest.mark.parametrize("name", OF_COUNTS)
@settings(max_examples=30, deadline=None)
@given(scored=st.integers(0, 9), unscored=st.integers(0, 9), data=st.data())
def test_hold_every_way_the_unscored_could_have_gone(name, scored, unscored, data):
    c, hidden = data.draw(st.integers(0, scored)), data.draw(st.integers(0, unscored))
    function, asked = ESTIMATORS[name].function, [ASKED[setting] for setting in ESTIMATORS[name].settings]
    low, high = bounds(function, [scored], [c], [unscored], *asked)
    truth = function([scored + unscored], [c + hidden], *asked)
    assert (np.isnan(truth) | ((low <= truth + 1e-12) & (truth <= high + 1e-12))).all()


@pytest.mark.parametrize("name", OF_COUNTS)
def test_meet_without_unscored_rollouts(name):
    function, asked = ESTIMATORS[name].function, [ASKED[setting] for setting in ESTIMATORS[name].settings]
    low, high = bounds(function, [8, 6], [3, 6], [0, 0], *asked)
    assert np.array_equal(low, high, equal_nan=True)
    assert np.array_equal(low, function([8, 6], [3, 6], *asked), equal_nan=True)


def test_refuses():
    with pytest.raises(UsageError, match="unscored must be one count >= 0 for each of 1 problem; got 2 counts"):
        bounds(mean_at_n, [2], [1], [1, 1])

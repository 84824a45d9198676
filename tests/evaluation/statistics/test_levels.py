"""Where a series reaches a level."""

import math

import pytest

from counterpoise.evaluation.statistics.levels import find_level


@pytest.mark.parametrize(
    ("values", "wanted", "found"),
    [
        ([0.2, 0.6], 0.3, (0, 0.25)),
        ([0.2, 0.6], 0.2, (0, 0.0)),
        ([0.2, 0.6, 0.8], 0.6, (0, 1.0)),
        ([0.5, 0.4, 0.6, 0.3, 0.9], 0.45, (1, 0.25)),  # the first in time
        ([0.5, 0.5], 0.5, (0, 0.0)),
        ([0.6, 0.2], 0.3, None),  # falling
        ([0.2, math.nan, 0.6], 0.3, None),
        ([0.3], 0.3, None),
        ([], 0.3, None),
    ],
)
def test_the_first_rise_through_it_and_how_far(values, wanted, found):
    assert find_level(values, wanted) == (found and pytest.approx(found))

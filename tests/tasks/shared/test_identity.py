import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.tasks.shared.identity import problem_id, split_of

TEXT = st.text(max_size=12)


def test_id_never_changes_between_versions():
    assert problem_id("countdown", "3,7,9=30") == "d9eee89ee7cf9ff83bdea2f577b0465b"


def test_lone_surrogates_have_an_id():
    assert len(problem_id("jsonl", "\ud800")) == 32


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=1, max_size=4))
def test_ids_are_equal_exactly_when_the_parts_are(first, second):
    assert (problem_id(*first) == problem_id(*second)) == (first == second)


def test_moving_a_boundary_changes_the_id():
    assert problem_id("t", "ab", "c") != problem_id("t", "a", "bc") != problem_id("t", "abc")


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_fraction_is_met(fraction):
    share = sum(split_of(problem_id("t", str(i)), test_fraction=fraction) == "test" for i in range(4000)) / 4000
    assert abs(share - fraction) <= 4 * math.sqrt(
        fraction * (1 - fraction) / 4000
    )  # four standard deviations of a fair draw


def test_side_is_independent_of_the_id():
    ids = [problem_id("t", str(i)) for i in range(4000)]
    low = [i for i in ids if i[0] in "01234567"]
    share = sum(split_of(i, test_fraction=0.5) == "test" for i in low) / len(low)
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / len(low))


@given(TEXT, st.floats(0, 1), st.floats(0, 1))
def test_growing_the_fraction_only_moves_train_to_test(text, a, b):
    small, large = sorted((a, b))
    assert split_of(text, test_fraction=small) == "train" or split_of(text, test_fraction=large) == "test"


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_impossible_fraction_is_refused(fraction):
    with pytest.raises(UsageError, match=r"test_fraction is .*, expected a number from 0 to 1"):
        split_of("x", test_fraction=fraction)

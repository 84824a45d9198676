"""Rows of a study: hand-made counts whose pass@k and area are fractions."""

import pytest

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.statistics.arms import Arm, arm_rows, mean_rows
from counterpoise.evaluation.statistics.counts import ProblemCounts

KS = (1, 2)


def counts(*correct, names="ab"):
    return [ProblemCounts(problem_id=name, n=2, c=c) for name, c in zip(names, correct, strict=True)]


BASE = counts(0, 1)
UP = Arm(name="up", after={0: counts(1, 1), 1: counts(1, 2)}, before=BASE)
FLAT = Arm(name="flat", after={1: list(reversed(BASE))}, before=BASE)


def test_means_over_seeds_and_differences_from_the_base():
    # base: pass@1 (0 + 1/2)/2, pass@2 (0 + 1)/2; up: pass@1 (1/2, 3/4) by seed, pass@2 1; area is the mean of both ends
    up, flat = arm_rows([UP, FLAT], KS)
    assert up.seeds == (0, 1)
    assert [point.estimate for point in up.points] == pytest.approx([0.625, 1.0, 0.8125])
    assert up.differences[0].by_seed == pytest.approx((0.25, 0.5))
    assert [moved.estimate for moved in flat.differences] == [0.0, 0.0, 0.0]


def test_differences_from_an_arm_are_paired_by_seed():
    # seed 1 alone is in both: 3/4 - 1/4
    up, flat = arm_rows([UP, FLAT], KS, against="flat")
    assert [moved.estimate for moved in up.differences] == pytest.approx([0.5, 0.5, 0.5])
    assert flat.differences == ()


def test_arms_that_share_no_seed_have_no_difference():
    other = Arm(name="other", after={5: BASE}, before=BASE)
    assert arm_rows([FLAT, other], KS, against="flat")[1].differences == ()


def test_an_arm_without_a_finished_run_is_left_out():
    assert [row.name for row in arm_rows([UP, Arm(name="idle", after={}, before=BASE)], KS)] == ["up"]


def test_an_unknown_reference_is_refused():
    with pytest.raises(DataError, match="no arm 'idle' with a finished run; there are: base, sharpened, up"):
        arm_rows([UP], KS, against="idle")


def test_other_problems_are_refused():
    other = Arm(name="other", after={0: counts(1, 1, names="ac")}, before=BASE)
    with pytest.raises(DataError, match="arm other, seed 0, was evaluated on other problems"):
        arm_rows([other], KS)


def test_differences_from_the_base_at_equal_pass_at_1():
    # base: pass@1 1/4, pass@2 1/2; colder: 3/4 and 1. Half way, at the pass@1 of 1/2, it has pass@2 of 3/4.
    arm = Arm(name="up", after={0: counts(1, 1)}, before=BASE, colder=[counts(2, 1)])
    (row,) = arm_rows([arm], KS, against="sharpened")
    at_1, at_2, area = (moved.estimate for moved in row.differences)
    assert at_1 == pytest.approx(0.0)
    assert at_2 == pytest.approx(1.0 - 0.75)
    assert area == pytest.approx(0.125)


def test_sharpening_needs_pass_at_1_and_another_temperature():
    with pytest.raises(UsageError, match="ks begin with 1"):
        arm_rows([UP], (2, 4), against="sharpened")
    with pytest.raises(UsageError, match="at least two temperatures"):
        arm_rows([UP], KS, against="sharpened")


def test_the_mean_over_places_counts_each_place_once():
    # two places share their problems, a third has others: their means of pass@1 are 5/8, 1/4 and 1
    again = Arm(name="up", after={0: BASE, 1: BASE}, before=BASE)
    other = Arm(
        name="up", after={0: counts(2, 2, names="cd"), 1: counts(2, 2, names="cd")}, before=counts(0, 0, names="cd")
    )
    row, *rest = mean_rows([[UP, FLAT], [again], [other]], KS)
    assert (row.name, row.seeds, rest) == ("up", (0, 1), [])  # `flat` is not in all of them
    assert row.points[0].estimate == pytest.approx((5 / 8 + 1 / 4 + 1) / 3)
    assert row.differences[0].estimate == pytest.approx((3 / 8 + 0 + 1) / 3)
    assert row.differences[0].by_seed == pytest.approx(((1 / 4 + 1) / 3, (1 / 2 + 1) / 3))
    assert row.points[0].problems == 4  # the two that share theirs have them once


def test_the_mean_over_one_place_is_its_row_and_arms_are_paired_in_every_place():
    assert mean_rows([[UP, FLAT]], KS) == arm_rows([UP, FLAT], KS)
    up, flat = mean_rows([[UP, FLAT], [UP, FLAT]], KS, against="flat")
    assert up.differences[0].estimate == pytest.approx(0.5)  # seed 1 alone is in both
    assert flat.differences == ()


def test_the_mean_over_places_takes_the_seeds_that_all_have():
    late = Arm(name="up", after={1: counts(1, 2)}, before=BASE)
    (row,) = mean_rows([[UP], [late]], KS)
    assert row.seeds == (1,)
    assert mean_rows([[UP], [Arm(name="up", after={7: BASE}, before=BASE)]], KS) == []

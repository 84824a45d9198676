"""A cell of a grid: its curve and its paired differences."""

import pytest

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.cells import measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts


def counts(*right, n=2):
    return [ProblemCounts(problem_id=f"p{i}", n=n, c=c) for i, c in enumerate(right)]


def cell(after, *, before=(0, 1), seed=0, colder=()):
    arm = Arm(name="nsr", after={seed: counts(*after)}, before=counts(*before), colder=[counts(*c) for c in colder])
    return measured_cell(arm, seed=seed, bed="lab", axes={"tasks.max_train": 10}, step=5, trained={"epochs": 2.0})


def test_a_cell_has_its_curve_its_area_and_what_it_is_less_its_base():
    found = cell((2, 1))
    assert found.ks == (1, 2)
    # pass@1 (1 + 1/2) / 2, pass@2 (1 + 1) / 2, area the mean of both; of the base 1/4, 1/2 and 3/8
    assert [point.estimate for point in found.points] == [0.75, 1.0, 0.875]
    assert [d.estimate for d in found.less["base"]] == [0.5, 0.5, 0.5]
    assert "sharpened" not in found.less


def test_the_base_drawn_colder_is_a_second_reference():
    found = cell((1, 1), before=(0, 1), colder=[(0, 2), (2, 2)])
    # pass@1 1/2 is that of the base at the first temperature, whose pass@2 is 1/2; that of the run is 1
    assert [round(d.estimate, 12) for d in found.less["sharpened"][:2]] == [0.0, 0.5]


def test_other_problems_or_one_rollout_are_refused():
    arm = Arm(name="nsr", after={0: counts(1)}, before=counts(1, 1))
    options = {"seed": 0, "bed": "", "axes": {}, "step": 1, "trained": {}}
    with pytest.raises(DataError, match="arm nsr was evaluated on other problems than its base"):
        measured_cell(arm, **options)
    one = Arm(name="nsr", after={0: counts(1, n=1)}, before=counts(1, n=1))
    with pytest.raises(DataError, match="fewer than two rollouts of a problem; an area needs two k"):
        measured_cell(one, **options)

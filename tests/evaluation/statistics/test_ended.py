"""Runs that ended early, beside runs that trained on."""

import pytest

from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import MeasuredStudy
from counterpoise.evaluation.statistics.ended import carried_on, ended_alone, stands_still
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.report.study_merge import merged_study
from counterpoise.report.study_read import read_study_csv
from counterpoise.report.study_table import write_study_csv


def cell(arm, seed, step, seen, value, bed="lab"):
    def points(*values):
        return tuple(SeededInterval(estimate=v, low=v, high=v, by_seed=(v,), problems=9) for v in values)

    return CellPoint(
        bed=bed,
        axes={},
        arm=arm,
        seed=seed,
        step=step,
        trained={} if seen is None else {"rollouts_per_problem": seen},
        ks=(1, 2),
        points=points(value, value, value),
        less={} if seed is None else {"base": points(*[value - 0.1] * 3)},
    )


ENDED = [cell("stop", 0, 2, 20.0, 0.2), cell("stop", 0, 3, 30.0, 0.3), cell("stop", 0, 8, 30.0, 0.3)]
ON = [cell("stop", 1, step, 10.0 * step, 0.05 * step) for step in (2, 4, 6, 8)]


def of(cells, seed):
    return {one.step: one.points[0].estimate for one in cells if one.seed == seed}


def test_an_ended_run_stands_at_every_step_that_another_of_its_place_was_measured_at():
    elsewhere = [cell("stop", 1, step, 10.0 * step, 0.5, bed="other") for step in (5, 8)]
    found = carried_on([cell("base", None, 0, None, 0.1), *ENDED, *ON, *elsewhere])
    assert of([one for one in found if one.bed == "lab"], 0) == {2: 0.2, 3: 0.3, 4: 0.3, 6: 0.3, 8: 0.3}
    assert of([one for one in found if one.bed == "lab"], 1) == of(ON, 1)
    assert len(found) == 1 + 5 + 4 + 2 and carried_on(found) == found


@pytest.mark.parametrize(
    "own",
    [
        ENDED[:2],  # it trains on, or nobody said that it ended
        [ENDED[0], cell("stop", 0, 8, 80.0, 0.3)],  # one that was not measured in between
        [
            cell("stop", 0, 3, None, 0.3),
            cell("stop", 0, 8, None, 0.3),
        ],  # a table that does not say how often problems were seen
        [cell("stop", 0, 8, 30.0, 0.3)],
    ],
)
def test_what_did_not_end_is_not_carried_on(own):
    assert carried_on([*own, *ON]) == [*own, *ON]


def test_what_was_carried_on_is_carried_on_to_the_steps_of_another_table():
    third = [cell("stop", 2, step, 10.0 * step, 0.5) for step in (5, 7, 8)]
    again = carried_on([*carried_on([*ENDED, *ON]), *third])
    assert of(again, 0) == {2: 0.2, 3: 0.3, 4: 0.3, 5: 0.3, 6: 0.3, 7: 0.3, 8: 0.3}


def test_a_run_whose_curve_moved_did_not_end_whatever_its_columns_say():
    moved = [cell("stop", 0, 3, 30.0, 0.3), cell("stop", 0, 8, 30.0, 0.4)]
    assert carried_on([*moved, *ON]) == [*moved, *ON] and not stands_still([*moved, *ON])


def test_a_frontier_has_each_run_once():
    still = stands_still(carried_on([*ENDED, *ON]))
    assert {(run[1:], step) for run, step in still} == {(("stop", 0), step) for step in (4, 6, 8)}


def test_a_step_at_which_only_those_that_ended_were_measured_is_a_choice_of_runs():
    assert {point[1:] for point in ended_alone(carried_on([*ENDED, *ON]))} == {("stop", 3)}
    # all have ended: there is one point for them, after the last of their ends
    later = [cell("stop", 1, 2, 20.0, 0.1), cell("stop", 1, 5, 50.0, 0.4), cell("stop", 1, 8, 50.0, 0.4)]
    assert {point[1:] for point in ended_alone(carried_on([*ENDED, *later]))} == {("stop", 3)}
    assert not ended_alone(ENDED) and not ended_alone(ON)


def test_a_table_of_it_is_read_as_it_was_written(tmp_path):
    base = cell("base", None, 0, None, 0.1)
    write_study_csv(MeasuredStudy(cells=(base, *ENDED, *ON), differences=(), confidence=0.95), tmp_path / "old.csv")
    read = merged_study([read_study_csv(tmp_path / "old.csv")])
    assert of(read.cells, 0)[6] == 0.3
    both = next(one for one in read.differences if one.step == 6 and one.against == "base")
    assert both.seeds == (0, 1) and both.points[0].estimate == pytest.approx((0.2 + 0.2) / 2)
    write_study_csv(read, tmp_path / "new.csv")
    assert of(merged_study([read_study_csv(tmp_path / "new.csv")]).cells, 0) == of(read.cells, 0)

"""Runs of a table at equal training success."""

import math
from dataclasses import replace

import pytest

from counterpoise.evaluation.statistics.cells import CellPoint
from counterpoise.evaluation.statistics.differences import MeasuredStudy
from counterpoise.evaluation.statistics.seeds import SeededInterval
from counterpoise.report.study_notes import OF_SEVERAL_TABLES
from counterpoise.report.study_success import at_training_success

KS = (1, 2, 4)


def points(*values):
    return tuple(SeededInterval(estimate=v, low=v, high=v, by_seed=(v,), problems=9) for v in values)


def cell(arm, seed, step, success, first, *, ks=KS):
    values = [first + 0.1 * number for number in range(len(ks) + 1)]
    less = {} if seed is None else {"base": points(*(v - 0.1 for v in values)), "sharpened": points(*values)}
    return CellPoint(
        bed="lab",
        axes={},
        arm=arm,
        seed=seed,
        step=step,
        trained={} if success is None else {"success": success},
        ks=ks,
        points=points(*values),
        less=less,
    )


def study(*cells):
    return MeasuredStudy(cells=(cell("base", None, 0, None, 0.1), *cells), differences=(), confidence=0.95)


def test_a_run_is_read_between_the_two_evaluations_that_hold_the_success_first():
    own = [
        cell("nsr", 0, step, s, v) for step, s, v in ((30, 0.9, 0.5), (10, 0.4, 0.2), (20, 0.6, 0.3), (40, 0.5, 0.0))
    ]
    found = at_training_success(study(*own), 0.45)
    (run,) = [one for one in found.cells if one.seed is not None]
    assert [p.estimate for p in run.points] == pytest.approx([0.225, 0.325, 0.425, 0.525])  # a quarter of the way
    assert [p.estimate for p in run.less["base"]] == pytest.approx([0.125, 0.225, 0.325, 0.425])
    assert list(run.less) == ["base"] and math.isnan(run.points[0].low)
    (less,) = found.differences
    assert (less.arm, less.against, less.points[0].estimate) == ("nsr", "base", pytest.approx(0.125))


def test_a_note_on_intervals_that_equal_success_has_not_is_not_told():
    merged = replace(
        study(cell("nsr", 0, 10, 0.4, 0.2), cell("nsr", 0, 20, 0.6, 0.3)), notes=(OF_SEVERAL_TABLES, "other")
    )
    (kept, own) = at_training_success(merged, 0.45).notes
    assert kept == "other" and "no intervals over problems" in own


@pytest.mark.parametrize(
    "own",
    [
        [cell("nsr", 0, 10, 0.5, 0.2), cell("nsr", 0, 20, 0.6, 0.3)],  # above it from the first evaluation on
        [cell("nsr", 0, step, s, 0.2) for step, s in ((10, 0.5), (20, 0.4), (30, 0.6))],  # and again later
        [cell("nsr", 0, 10, None, 0.2), cell("nsr", 0, 20, 0.6, 0.3)],
        [cell("nsr", 0, 10, 0.4, 0.2), cell("nsr", 0, 20, 0.6, 0.3, ks=(1, 2))],
        [cell("nsr", 0, 10, 0.4, 0.2)],
    ],
)
def test_a_run_without_two_such_evaluations_is_left_out(own):
    assert [one.arm for one in at_training_success(study(*own), 0.45).cells] == ["base"]


def test_arms_are_paired_by_seed_and_equal_successes_take_the_earlier():
    cells = [
        *(
            cell("nsr", seed, step, s, v + seed / 10)
            for seed in (0, 1)
            for step, s, v in ((1, 0.4, 0.2), (2, 0.6, 0.4))
        ),
        *(cell("psr", seed, step, 0.5, v) for seed in (1, 2) for step, v in ((1, 0.2), (2, 0.6))),
    ]
    found = at_training_success(study(*cells), 0.5)
    assert {(one.arm, one.seed): round(one.points[0].estimate, 6) for one in found.cells if one.seed is not None} == {
        ("nsr", 0): 0.3,
        ("nsr", 1): 0.4,
        ("psr", 1): 0.2,
        ("psr", 2): 0.2,
    }
    (between,) = [one for one in found.differences if one.against == "nsr"]
    assert between.seeds == (1,) and between.points[0].estimate == pytest.approx(-0.2)

"""The mean over places from what each run scored: Student's over the seeds, as scipy has it, and only what all places have."""

import math

import pytest
from scipy import stats

from counterpoise.errors import UsageError
from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.averages import averaged_arms
from counterpoise.evaluation.statistics.cells import measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.differences import MeasuredStudy, arm_differences, by_reference

RIGHT = {
    (bed, arm, seed): [(3 * place + 2 * rule + 5 * seed + i * (rule + 1) + seed * i) % 9 for i in range(6)]
    for place, bed in enumerate(("strong", "paths"))
    for rule, arm in enumerate(("nsr", "psr"))
    for seed in (0, 1, 2)
}


def counts(right, n=8):
    return [ProblemCounts(problem_id=f"p{i}", n=n, c=c) for i, c in enumerate(right)]


def cell(bed, arm, seed, *, step=5, n=8):
    right = [min(c, n) for c in RIGHT[bed, arm, seed]]
    made = Arm(name=arm, after={seed: counts(right, n)}, before=counts([1, 2, 0, 3, 1, 2], n))
    return measured_cell(made, seed=seed, bed=bed, axes={}, step=step, trained={})


def study(*cells, confidence=0.95):
    found = arm_differences(cells, confidence=confidence)
    return MeasuredStudy(cells=cells, differences=tuple(found), confidence=confidence)


WHOLE = [cell(*key) for key in RIGHT]


def first(key):
    return sum(RIGHT[key]) / 48


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_is_students_over_seeds(confidence):
    rows = {row.name: row for row in averaged_arms(study(*WHOLE, confidence=confidence), step=None, against="psr")}
    moved = [sum(first((bed, "nsr", s)) - first((bed, "psr", s)) for bed in ("strong", "paths")) / 2 for s in (0, 1, 2)]
    mean, half = (
        sum(moved) / 3,
        stats.t.ppf((1 + confidence) / 2, 2) * stats.tstd(moved) / math.sqrt(3),
    )
    found = rows["nsr"].differences[0]
    assert (found.estimate, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert found.by_seed == pytest.approx(moved) and rows["nsr"].seeds == (0, 1, 2)
    assert rows["psr"].differences == ()
    base = averaged_arms(study(*WHOLE), step=5, against="base")
    assert [row.points[0].estimate - row.differences[0].estimate for row in base] == pytest.approx([9 / 48] * 2)


def test_only_what_every_place_has_counts():
    without = [one for one in WHOLE if (one.bed, one.arm, one.seed) != ("paths", "nsr", 1)]
    nsr, psr = averaged_arms(study(*without), step=None, against="psr")
    assert (nsr.seeds, psr.seeds) == ((0, 2), (0, 1, 2))
    # values and differences of the same seeds, so that one can be had from the other
    few = [one for one in WHOLE if (one.bed, one.arm, one.seed) != ("strong", "psr", 2)]
    nsr, psr = averaged_arms(study(*few), step=None, against="psr")
    assert nsr.seeds == psr.seeds == (0, 1) and len(nsr.points[0].by_seed) == 2
    assert nsr.differences[0].estimate == pytest.approx(nsr.points[0].estimate - psr.points[0].estimate)
    alone = [one for one in WHOLE if (one.bed, one.arm) != ("paths", "nsr")]
    assert [row.name for row in averaged_arms(study(*alone), step=None, against="psr")] == ["psr"]
    (one,) = averaged_arms(study(cell("strong", "nsr", 0), cell("paths", "nsr", 0)), step=None, against="base")
    assert math.isnan(one.points[0].low) and math.isnan(one.differences[0].high)
    assert averaged_arms(study(*WHOLE), step=9, against="base") == []
    undefined = averaged_arms(study(*WHOLE), step=None, against="sharpened")
    assert [math.isnan(row.differences[-1].estimate) for row in undefined] == [True, True]


def test_areas_of_other_curves_have_no_mean():
    with pytest.raises(UsageError, match=r"measured up to k = 4, 8; areas of other curves have no mean"):
        averaged_arms(study(cell("strong", "nsr", 0), cell("paths", "nsr", 0, n=4)), step=None, against="base")


def test_a_difference_stands_from_both_sides():
    found = by_reference(study(*WHOLE))
    there, back = (found[("strong", ()), arm, 5, other] for arm, other in (("psr", "nsr"), ("nsr", "psr")))
    assert [point.estimate for point in there.points] == [-point.estimate for point in back.points]

import math
from dataclasses import asdict

import numpy as np
import pytest

from counterpoise.errors import DataError, UnknownNameError
from counterpoise.evaluation.estimators.registry import ESTIMATORS
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.metrics import (
    METRICS,
    Estimate,
    differences,
    estimates,
    metric_names,
    per_problem,
)


def problem(name, n, c, *, unscored=0, wrong=None, parts=None):
    return ProblemCounts(problem_id=name, n=n, c=c, unscored=unscored, wrong_classes=wrong, parts=parts or {})


# a: one of four right and the wrong ones agree; b: three of four right
HAND = [problem("a", 4, 1, wrong=(3,)), problem("b", 4, 3, wrong=(1,))]


def by_label(counts, ks=(1, 2, 4), **options):
    made = estimates(per_problem(counts, ks), counts, generator=np.random.default_rng(0), resamples=200, **options)
    return {one.label: one for one in made}


def test_worked_by_hand():
    found = {label: one.estimate for label, one in by_label(HAND).items()}
    assert found["pass^2"] == pytest.approx((0 + 3 / 6) / 2)  # C(1,2)/C(4,2) and C(3,2)/C(4,2)
    assert found["g-pass@4 tau 0.5"] == pytest.approx((0 + 1) / 2)  # 2 of 4 right
    assert found["g-pass@4 tau 0.75"] == pytest.approx((0 + 1) / 2)
    assert found["g-pass@4 tau 1"] == 0.0
    assert found["mg-pass@4"] == pytest.approx((0 + 2 / 4 * 1) / 2)  # i = 3 and 4: only i = 3, only b
    assert [found[f"cover@{tau}"] for tau in ("0.5", "0.75", "1")] == [0.5, 0.5, 0.0]
    assert found["mean@n"] == 0.5
    assert found["bayes@n"] == pytest.approx((2 / 6 + 4 / 6) / 2)
    assert found["maj@4"] == 0.5  # three against one, in a wrong and in b right
    # a: pairs AX three of six are a tie, XX wrong: 3/6 / 2 = 1/4; b: 3/4
    assert found["maj@2"] == pytest.approx(0.5)
    # pass@1, 2, 4 of a are 1/4, 1/2, 1 and of b 3/4, 1, 1: two octaves each
    assert found["area"] == pytest.approx(((1 / 4 + 1 / 2) / 2 + (1 / 2 + 1) / 2 + (3 / 4 + 1) / 2 + 1) / 4)


def test_every_estimator_of_the_registry_is_there():
    assert {one.metric for one in by_label(HAND).values()} == set(ESTIMATORS) - {"pass@k"} == set(METRICS)


def test_best_of_graded_parts_by_hand():
    # four rewards 0, 0.5, 0.5, 1 give pairs (0.5 0.5 1 0.5 1 1) / 6; the other problem has no part
    parts = {"f1": ((0.0, 1), (0.5, 2), (1.0, 1)), "abstained": ((0.0, 3), (1.0, 1))}
    found = by_label([problem("a", 4, 1, wrong=(3,), parts=parts), HAND[1]])
    assert found["best@1 f1"].estimate == pytest.approx(0.5)
    assert found["best@2 f1"].estimate == pytest.approx((0.5 * 3 + 3) / 6)
    assert found["best@2 f1"].reason == "1 of 2 problems left out: too few verdicts of a problem have a part f1"
    assert not any("abstained" in label for label in found)  # 0 and 1 alone are what pass@k is for


def test_what_is_undefined_says_why():
    found = by_label([problem("a", 4, 1), problem("b", 2, 1)], ks=(1, 4, 8))
    assert math.isnan(found["pass^8"].estimate)
    assert found["pass^8"].reason == "pass^8 needs 8 scored rollouts of a problem; the most any has is 4"
    assert found["pass^4"].reason == "1 of 2 problems left out: fewer than 4 scored rollouts"
    assert found["area"].reason == "area needs 8 scored rollouts of a problem; the most any has is 4"
    assert found["mg-pass@1"].reason == "the sum over thresholds is empty at k=1"
    assert found["maj@1"].reason.startswith("counts alone do not say which wrong answers are equal; grade the rollouts")
    assert (
        found["best@1"].reason
        == "no verdict has a part between 0 and 1; for answers that are right or wrong best@k is pass@k"
    )
    assert by_label(HAND, ks=(2,))["area"].reason == "an area needs at least two different k"
    nothing = by_label([problem("a", 0, 0, unscored=2, wrong=())])
    assert nothing["mean@n"].reason == "mean@n needs 1 scored rollout of a problem; the most any has is 0"
    assert all(math.isnan(one.estimate) for one in nothing.values())


def test_bounds_of_unscored_rollouts():
    found = by_label([problem("a", 3, 1, unscored=1, wrong=(2,)), problem("b", 4, 3, wrong=(1,))])
    # a is between 1 and 2 of 4
    assert (found["mean@n"].bound_low, found["mean@n"].bound_high) == ((1 / 4 + 3 / 4) / 2, (2 / 4 + 3 / 4) / 2)
    assert (found["cover@0.5"].bound_low, found["cover@0.5"].bound_high) == (0.5, 1.0)
    assert math.isnan(found["maj@1"].bound_low)
    assert by_label(HAND)["maj@2"].bound_low == by_label(HAND)["maj@2"].estimate


def test_bayes_has_two_intervals():
    one = by_label(HAND)["bayes@n"]
    # variances 2*4/(36*7) each; z sqrt(2 * 8/252) / 2
    half = 1.959964 * math.sqrt(2 * 8 / 252) / 2
    assert (one.posterior_low, one.posterior_high) == pytest.approx((0.5 - half, 0.5 + half))
    assert by_label(HAND)["mean@n"].posterior_low is None


def test_rows_choose_the_problems_of_a_kind():
    assert by_label(HAND, rows=[1])["mean@n"].estimate == 0.75


def test_an_estimate_survives_json():
    for one in by_label([problem("a", 4, 1), problem("b", 2, 1)], ks=(1, 8)).values():
        row = {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in asdict(one).items()}
        assert Estimate.from_json(row) == one


def test_paired_differences():
    after = [problem("b", 4, 4, wrong=()), problem("a", 4, 1, wrong=(1, 1, 1))]
    made = differences(
        per_problem(HAND, [1, 4]),
        per_problem(after, [1, 4]),
        base_ids=["a", "b"],
        after_ids=["b", "a"],
        paired=True,
        generator=np.random.default_rng(0),
        resamples=200,
    )
    found = {one.setting.label: one for one in made}
    assert found["mean@n"].estimate == pytest.approx((0 + 1 / 4) / 2)
    assert found["pass^4"].estimate == pytest.approx(0.5)
    # a: 0 before, one of four tied classes is right now: 1/4; b: 1 and 1
    assert found["maj@4"].estimate == pytest.approx(1 / 8)
    assert math.isnan(found["best@1"].estimate)


def test_differences_of_other_problems_are_refused_or_unpaired():
    other = [problem("c", 4, 4, wrong=()), problem("d", 4, 4, wrong=()), problem("e", 4, 4, wrong=())]
    table, theirs = per_problem(HAND, [1]), per_problem(other, [1])
    options = {"base_ids": ["a", "b"], "after_ids": ["c", "d", "e"], "resamples": 200}
    with pytest.raises(DataError, match="did not answer the same problems: 0 in common"):
        differences(table, theirs, paired=True, generator=np.random.default_rng(0), **options)
    made = differences(table, theirs, paired=False, generator=np.random.default_rng(0), **options)
    [mean] = [one for one in made if one.setting.metric == "mean@n"]
    assert (mean.estimate, mean.problems) == (0.5, 2)


def test_names():
    assert metric_names(["maj@k,pass^k", "area"]) == ["pass^k", "area", "maj@k"]
    assert metric_names(["all"]) == list(METRICS)
    assert metric_names(["pass@k"]) == []  # the main table
    with pytest.raises(UnknownNameError, match="pass\\^k"):
        metric_names(["pas^k"])


def test_no_problems():
    with pytest.raises(DataError, match="no problems to estimate anything of"):
        per_problem([], [1])

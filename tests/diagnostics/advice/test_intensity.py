"""How often a plan sees each problem, and what is said of it."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from counterpoise.diagnostics.advice.intensity import MEASURED, intensities, intensity_findings
from counterpoise.diagnostics.advice.result import Urgency
from counterpoise.diagnostics.advice.thresholds import THRESHOLDS, Thresholds

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def few(lab):
    """The lab's run for twice as long, on few problems."""
    return replace(lab, steps=200, problems={"countdown": 200})


def said(plan, thresholds=THRESHOLDS):
    finding, which = intensity_findings(plan, thresholds)
    assert which.level is Urgency.NOTE
    return finding.level, finding.text


def test_many_rollouts_of_few_problems_are_a_warning_that_says_when_to_stop(few):
    level, text = said(few)  # 200 x 64 x 8 / 200 = 512; 256 / (64 x 8 / 200) = 100 steps, 100 x 64 / 200 = 32 passes
    assert level is Urgency.WARNING
    assert text.startswith("Your 200 training problems will each be seen 512 times (200 steps of 64 x 8): in the lab")
    assert "3 seeds" in text
    assert "pass@8 was 8.4 (nsr) to 10.6 points (psr) below it" in text
    assert "Stop near step 100 (32 passes over them), near step 50 where pass@k counts" in text
    assert "evaluation.every=50" in text


def test_300_problems_seen_401_times(few):
    _, text = said(replace(few, problems={"a": 300}, steps=235))  # 235 x 512 / 300 = 401
    assert text.startswith("Your 300 training problems will each be seen 401 times")


def test_between_the_first_look_and_the_best_it_is_a_note(few):
    level, text = said(replace(few, steps=80))
    assert level is Urgency.NOTE
    assert "be seen 205 times (80 steps of 64 x 8), often" in text


def test_a_few_rollouts_name_the_runs_behind_the_rules(few):
    level, text = said(replace(few, steps=100, problems={"countdown": 15_165}))
    assert level is Urgency.NOTE
    assert text == (
        "Your 15,165 training problems will each be seen 3.4 times (100 steps of 64 x 8); in the runs behind the choice of a rule it was "
        "3.4 times, and at 128 times no rule had begun to lose pass@1 (3 seeds). Many steps cost pass@k without it: 200 of them on 2,000 "
        "problems, 51 times each, took -2.8 [-4.6, -1.0] of area under pass@k with nsr and not beyond its interval with area and maxrl "
        "(strong base, three seeds)."
    )


def test_with_weights_the_type_that_is_drawn_most_is_named(few):
    plan = replace(few, problems={"easy": 1000, "hard": 20}, weights={"easy": 3.0, "hard": 1.0}, steps=100)
    # 100 x 512 x 1/4 / 20 = 640 of each hard one, 100 x 512 x 3/4 / 1000 = 38.4 of each easy one
    assert [(one.task_type, one.rollouts) for one in intensities(plan)] == [("easy", 38.4), ("hard", 640.0)]
    _, text = said(plan)
    assert text.startswith("Your 20 training problems of the task type hard will each be seen 640 times (100 steps")
    assert "Stop near step 40 (32 passes over them)" in text  # 256 / 6.4 = 40 steps; 256 / 8 = 32 passes


def test_without_weights_all_types_are_drawn_alike(few):
    (all_alike,) = intensities(replace(few, problems={"easy": 980, "hard": 20}, steps=100))
    assert (all_alike.problems, all_alike.rollouts) == (1000, 51.2)


@pytest.mark.parametrize("problems", [{}, {"gone": 0}])
def test_a_plan_that_does_not_know_its_problems_says_nothing(problems, few):
    assert not list(intensity_findings(replace(few, problems=problems), THRESHOLDS))


def test_one_problem_seen_at_every_step_stops_after_the_first(few):
    _, text = said(replace(few, problems={"one": 1}))
    assert "Your 1 training problem will each" in text
    assert "Stop near step 1 " in text


def test_another_limit_stops_elsewhere(few):
    assert "Stop near step 150 " in said(few, Thresholds(overdone=384.0))[1]


def test_the_measured_runs_are_those_of_the_log_and_rise():
    assert [seen.rollouts for seen in MEASURED] == sorted({seen.rollouts for seen in MEASURED})
    for seen in MEASURED:
        assert (ROOT / "docs" / "log" / seen.source).is_file()
    experiments = tomllib.loads((Path(__file__).parent / "lab_runs.toml").read_text(encoding="utf-8"))["experiment"]
    (last,) = [one for one in experiments if one["source"].endswith("over three seeds")]
    for rule, after in last["after"].items():
        assert MEASURED[-1].pass_1[rule] == pytest.approx(after["1"] - last["before"]["1"], abs=0.11)
        assert MEASURED[-1].pass_8[rule] == pytest.approx(
            after["8"] - last["before"]["8"], abs=0.11
        )  # the log rounds once more


@pytest.mark.parametrize(
    ("problems", "bed", "below"),
    [
        (200, "strong base, 200 problems, five seeds", "reinforce -2.8"),
        (5_000, "lab:paths, 9 times each, three seeds", "psr is last"),
    ],
)
def test_which_rule_pays_names_its_bed_seeds_and_intervals(few, problems, bed, below):
    _, which = intensity_findings(replace(few, problems={"countdown": problems}), THRESHOLDS)
    assert bed in which.text and below in which.text
    assert which.text.count("[") >= 4


def test_what_is_said_of_a_rule_at_512_is_what_its_own_row_of_the_document_says(few):
    _, which = intensity_findings(few, THRESHOLDS)
    document = (ROOT / "docs" / "log" / "2026-11-30-eight-rules-over-five-seeds.md").read_text(encoding="utf-8")
    said = re.findall(r"[+-][\d.]+ \[[^]]+\]", " ".join(which.text.split()))
    assert len(said) == 9
    assert [one for one in said if one not in document] == []


def test_the_limits_lie_where_the_runs_say():
    by_rollouts = {seen.rollouts: seen.pass_1 for seen in MEASURED}
    assert all(change > 0 for change in by_rollouts[THRESHOLDS.seen_often].values())
    for rule, change in by_rollouts[512].items():
        assert change < by_rollouts[THRESHOLDS.overdone][rule]

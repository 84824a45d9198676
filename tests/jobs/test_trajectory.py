"""Where along their training runs are compared: equal steps, equal training success, everywhere."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterpoise.errors import UsageError
from counterpoise.evaluation.statistics.arms import arm_rows, frontier
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.jobs.study.gather import gather_study
from counterpoise.jobs.study.trajectory import At, arms_at, metrics_of, parse_at, success_of
from counterpoise.report.study_success import at_training_success


def counts(*right, n=4):
    return [ProblemCounts(problem_id=f"p{i}", n=n, c=c) for i, c in enumerate(right)]


@dataclass
class Run:
    """What `arms_at` asks of a run."""

    arm: str
    seed: int
    path: Path
    after: dict
    kept: int | None = None
    bed: str = ""
    axes: dict = field(default_factory=dict)
    base_temperatures: tuple = ()

    @property
    def last_step(self):
        return max(self.after)

    @property
    def kept_step(self):
        return self.last_step if self.kept is None else self.kept

    @property
    def config(self):
        return SimpleNamespace(path=self.path, learner=SimpleNamespace(steps=max(self.after)))

    @property
    def evaluated(self):
        return sorted(self.after)

    def base_result(self):
        settings = SimpleNamespace(temperature=1.0)
        return SimpleNamespace(counts=counts(0, 2), manifest=SimpleNamespace(settings=settings))

    @property
    def base(self):
        return self.path

    def result(self, step=None):
        found = self.after.get(max(self.after) if step is None else step)
        return None if found is None else SimpleNamespace(counts=found)


@pytest.fixture
def run(tmp_path):
    """`run(arm, success, after)`: a run with a training success for each step."""

    def make(arm, success, after, seed=0, kept=None):
        path = tmp_path / f"{arm}-{seed}"
        path.mkdir()
        lines = [{"step": i, "success_rate": rate} for i, rate in enumerate(success, start=1)]
        (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Run(arm, seed, path, after, kept)

    return make


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("steps", At(kind="steps")),
        ("steps=100", At(kind="steps", step=100)),
        ("frontier", At(kind="frontier")),
        ("success=0.85", At(kind="success", success=0.85)),
    ],
)
def test_where_runs_are_compared(text, at):
    found = parse_at(text)
    assert (found.kind, found.step) == (at.kind, at.step)
    assert str(found.success) == str(at.success)


@pytest.mark.parametrize("text", ["step", "steps=-1", "steps=²", "success", "success=85", "success=nan", "frontier=1"])
def test_other_places_are_refused(text):
    with pytest.raises(UsageError, match=f"--at {text}: runs are compared at steps"):
        parse_at(text)


def test_training_success_is_the_mean_of_the_twenty_steps_before(run):
    nsr = run("nsr", [0.0] * 20 + [1.0] * 20, {40: counts(1, 1)})
    records = metrics_of(nsr.path)
    assert [success_of(nsr, records, step) for step in (0, 1, 20, 30, 40)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert str(success_of(nsr, records, 100)) == "nan"
    assert metrics_of(Path("nowhere")) == ()
    # a mean over the lines that are left would be that of other weights
    assert math.isnan(success_of(nsr, [record for record in records if record["step"] != 15], 30))
    assert math.isnan(success_of(nsr, records[:25], 30)) and success_of(nsr, records[:25], 20) == 0.0


def test_equal_steps_are_those_of_each_run_or_of_all(run):
    nsr = run("nsr", [], {10: counts(1, 2), 20: counts(3, 4)})
    psr = run("psr", [], {20: counts(2, 2)})
    (last, other) = arms_at([nsr, psr], parse_at("steps"), {})
    assert (last.after[0], other.after[0]) == (counts(3, 4), counts(2, 2))
    (early, missing) = arms_at([nsr, psr], parse_at("steps=10"), {})
    assert (early.after[0], dict(missing.after)) == (counts(1, 2), {})


@dataclass
class EndedRun(Run):
    """One of 20 steps that its guards ended: at later steps it stays what it was."""

    @property
    def config(self):
        return SimpleNamespace(path=self.path, learner=SimpleNamespace(steps=20))

    def result(self, step=None):
        return super().result(step if step is None else min(step, self.last_step))


def test_a_run_that_ended_stands_at_later_steps_at_which_another_was_measured_and_at_no_others(run, tmp_path):
    nsr = run("nsr", [], {10: counts(1, 2), 20: counts(3, 4)})
    area = EndedRun("area", 0, tmp_path, {12: counts(2, 2)})
    for text, there in (("steps=20", True), ("steps=10", False), ("steps=15", False), ("steps=12", True)):
        found = {arm.name: dict(arm.after) for arm in arms_at([nsr, area], parse_at(text), {})}
        assert found["area"] == ({0: counts(2, 2)} if there else {}), text


def test_the_frontier_has_no_place_for_seeds_that_ended_while_others_trained_on(run, tmp_path):
    first, second = (EndedRun("area", seed, tmp_path, {12 + seed: counts(2, 2)}) for seed in (0, 1))
    on = run("area", [], {10: counts(1, 2), 20: counts(3, 4)}, seed=2)
    assert [arm.name for arm in arms_at([first, second, on], parse_at("frontier"), {})] == ["area @10", "area @20"]
    (both,) = arms_at([first, second], parse_at("frontier"), {})
    assert both.name == "area @13" and set(both.after) == {0, 1}


def test_at_equal_success_a_run_is_read_between_two_evaluations(run):
    # success 0.2 for 20 steps and 0.6 for 20: 0.2 after step 20, 0.6 after step 40, and 0.5 three quarters of the way
    nsr = run("nsr", [0.2] * 20 + [0.6] * 20, {20: counts(0, 4), 40: counts(4, 4)})
    psr = run("psr", [0.1] * 40, {20: counts(1, 1), 40: counts(1, 1)})
    arms = arms_at([nsr, psr], parse_at("success=0.5"), {})
    assert dict(arms[1].after) == {}
    (row,) = arm_rows(arms, [1, 2])
    # pass@1 of the two problems: (1 - 0.75) * 0 + 0.75 * 1 and 1; of the base 0 and 1/2
    assert row.points[0].estimate == pytest.approx((0.75 + 1.0) / 2)
    assert row.differences[0].estimate == pytest.approx((0.75 + 1.0) / 2 - 0.25)
    # before its first evaluation it is read between that and the base
    first = arms_at([nsr], parse_at("success=0.2"), {})[0]
    assert (first.after[0], first.towards[0]) == (counts(0, 2), (counts(0, 4), 0.0))


def test_at_equal_success_a_run_is_not_read_on_steps_that_a_guard_took_back(run):
    # success 0.2, then 0.4, then 0.6, each for 20 steps; ended after step 60 with the weights of step 40
    success = [0.2] * 20 + [0.4] * 20 + [0.6] * 20
    ended = run("area", success, {20: counts(0, 4), 50: counts(4, 0), 60: counts(4, 4)}, kept=40)
    assert [success_of(ended, metrics_of(ended.path), step) for step in ended.evaluated] == pytest.approx(
        [0.2, 0.5, 0.4]
    )
    (arm,) = arms_at([ended], parse_at("success=0.3"), {})
    assert arm.after[0] == counts(0, 4) and arm.towards[0] == (counts(4, 4), pytest.approx(0.5))
    assert dict(arms_at([ended], parse_at("success=0.5"), {})[0].after) == {}  # its weights never had it


@pytest.mark.parametrize(("wanted", "right"), [(0.25, 0.625), (0.3, 0.75), (0.5, None)])
def test_from_a_table_such_a_run_is_read_as_from_the_runs(run, tmp_path, wanted, right):
    # pass@1 1/2 after step 20 (success 0.2), 1 after step 60, whose weights are those of step 40 (0.4)
    success = [0.2] * 20 + [0.4] * 20 + [0.6] * 20
    ended = run("area", success, {20: counts(0, 4), 50: counts(4, 0), 60: counts(4, 4)}, kept=40)
    lines = (json.loads(line) for line in (ended.path / "metrics.jsonl").read_text().splitlines())
    told = [json.dumps(line | {"rollouts_per_problem": line["step"]}) for line in lines]
    (ended.path / "metrics.jsonl").write_text("\n".join(told) + "\n")
    rows = [row for row in arm_rows(arms_at([ended], parse_at(f"success={wanted}"), {}), [1, 2]) if row.seeds]
    found = at_training_success(gather_study(SimpleNamespace(places={"": [ended]})), wanted)
    cells = [cell for cell in found.cells if cell.seed is not None]
    assert [row.points[0].estimate for row in rows] == [cell.points[0].estimate for cell in cells]
    assert [cell.points[0].estimate for cell in cells] == pytest.approx([] if right is None else [right])


def test_along_the_frontier_every_step_is_an_arm(run):
    nsr = run("nsr", [], {10: counts(2, 2), 20: counts(4, 0)})
    psr = run("psr", [], {10: counts(1, 1)})
    rows = arm_rows(arms_at([nsr, psr], parse_at("frontier"), {}), [1, 2])
    # pass@1 1/2, 1/2, 1/4 and pass@2 of (2 of 4) 5/6, of (4, 0) 1/2, of (1 of 4) 1/2: one beats both others
    assert [row.name for row in rows] == ["nsr @10", "nsr @20", "psr @10"]
    assert frontier(rows) == [True, False, False]

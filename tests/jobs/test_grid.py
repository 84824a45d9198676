"""A study over beds and axes: what is run, where, in which order, side by side; and how long the rest takes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w

from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.errors import ConfigError, StoreError, TrainingError, UsageError
from counterpoise.jobs.study import cells as side
from counterpoise.jobs.study import load_study
from counterpoise.jobs.study.cells import train_cells
from counterpoise.jobs.study.pace import TimeLeft, work_left

ARMS = {"nsr": {"credit": {"rule": "nsr"}}, "psr": {"credit": {"rule": "psr"}}}


@pytest.fixture
def write(configure, tmp_path):
    """Write a study of a tiny run with these keys and give its path; `arms`, one seed and two steps where nothing else is said."""

    def make(**keys):
        run = configure().model_dump(mode="json", exclude_defaults=True)
        (tmp_path / "run.toml").write_text(tomli_w.dumps(run))
        path = tmp_path / "grid.toml"
        file = {"directory": "studies", "seeds": [0], "arms": ARMS, "settings": {"learner": {"steps": 2}}}
        if "beds" not in keys:
            file["run"] = "run.toml"
        path.write_text(tomli_w.dumps(file | keys))
        return path

    return make


class Heard:
    """A `CellObserver` that keeps what it is told."""

    def __init__(self):
        self.begun, self.ends, self.lefts, self.moves = [], [], [], 0

    def began(self, number, run):
        self.begun.append(number)

    def moved(self, number, run, doing, done, total, right):
        self.moves += 1

    def said(self, run, line):
        pass

    def ended(self, number, run, how, seconds):
        self.ends.append((number, how))

    def left(self, seconds, cells):
        self.lefts.append((seconds, cells))


BEDS = {"one": {"run": "run.toml"}, "two": {"run": "run.toml", "settings": {"rollout": {"max_tokens": 5}}}}


def test_arms_times_beds_times_axes_come_under_one_seed_before_the_next(write, tmp_path):
    study = load_study(write(beds=BEDS, seeds=[0, 1], grid={"tasks.max_train": [10, 20]}))
    assert [(r.seed, r.bed, r.axes["tasks.max_train"], r.arm) for r in study.runs[:5]] == [
        (0, "one", 10, "nsr"),
        (0, "one", 10, "psr"),
        (0, "one", 20, "nsr"),
        (0, "one", 20, "psr"),
        (0, "two", 10, "nsr"),
    ]
    assert len(study.runs) == 2 * 2 * 2 * 2
    run = study.runs[5]
    assert run.config.path == tmp_path / "studies" / "grid" / "two" / "tasks.max_train=10" / "psr-seed0"
    assert (run.config.tasks.max_train, run.config.rollout.max_tokens, run.config.learner.steps) == (10, 5, 2)
    assert (run.place, run.label) == ("two, tasks.max_train=10", "two, tasks.max_train=10, psr, seed 0")
    assert list(study.places) == [f"{bed}, tasks.max_train={size}" for bed in BEDS for size in (10, 20)]


def test_an_axis_is_at_its_value_whatever_an_arm_says_and_reaches_into_settings(write):
    arms = {"weighted": {"tasks": {"max_train": 7}, "credit": {"rule": "hinge", "settings": {"nu": 1.0}}}}
    axes = {"credit": {"settings": {"lambda": [0.1, 0.5]}}, "tasks.max_train": [10]}
    study = load_study(write(arms=arms, grid=axes))
    assert [run.config.credit.settings for run in study.runs] == [{"nu": 1.0, "lambda": w} for w in (0.1, 0.5)]
    assert {run.config.tasks.max_train for run in study.runs} == {10}
    assert study.runs[0].config.path.parent.name == "tasks.max_train=10,credit.settings.lambda=0.1"


def test_the_base_of_a_bed_is_evaluated_once_whatever_the_number_of_training_problems(write):
    axes = {"tasks.max_train": [10, 20], "evaluation.n": [4, 8]}
    study = load_study(write(beds=BEDS, grid=axes))
    # two beds (other prompts are cut at max_tokens, which no section of scoring holds) and two n, whatever max_train
    assert [run.config.evaluation.before for run in study.runs].count(True) == 2
    # without a grid sections are shared as a whole, as in the directories of earlier releases
    arms = {"few": {"tasks": {"max_train": 10}}, "many": {"tasks": {"max_train": 20}}}
    assert [run.config.evaluation.before for run in load_study(write(arms=arms)).runs] == [True, True]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"grid": {"max_train": [1]}}, r"grid\.toml: grid\.max_train is not a setting; write section\.key"),
        ({"grid": {"tasks.max_train": []}}, r"grid\.tasks\.max_train is \[\]; an axis is a list of values"),
        ({"grid": {"tasks.max_train": 3}}, r"grid\.tasks\.max_train is 3; an axis is a list"),
        ({"grid": {"tasks.max_train": [1, 1]}}, r"grid\.tasks\.max_train has a value twice: \[1, 1\]"),
        (
            {"grid": {"guards.act": [True, 1]}},
            r"guards\.act=true, nsr, seed 0 and guards\.act=1, nsr, seed 0 are the same run",
        ),
        ({"grid": {"loss.kl": [0, 0.0]}}, r"loss\.kl=0, nsr, seed 0 and loss\.kl=0\.0, nsr, seed 0 are the same run"),
        # which a study always does, whatever is asked for
        ({"grid": {"evaluation.after": [True, False]}}, r"evaluation\.after=true, .* are the same run; leave one"),
        ({"grid": {"run.seed": [1, 2]}}, r"grid\.run\.seed: a study names, places and seeds its runs itself"),
        ({"grid": {"tasks.train": ["../a"]}}, r"'\.\./a' cannot stand on an axis: it holds a slash"),
        ({"grid": {"credit.settings": [{"a": 1}]}}, r"cannot stand on an axis: it is not one value; write arms"),
        ({"grid": {"tasks.max_train": [float("nan")]}}, r"grid: nan is not a finite number"),
        ({"grid": {"tasks.max_trian": [1]}}, r"arm nsr: unknown key 'tasks\.max_trian'; did you mean"),
        ({"beds": {}}, r"the file: a study starts from one run file \(run = \"FILE\"\), or from several as beds"),
        ({"beds": BEDS, "run": "run.toml"}, r"the file: a study starts from one run file"),
        ({"beds": {"../up": {"run": "run.toml"}}}, r"'\.\./up' cannot name a directory of runs: it holds a slash"),
        ({"beds": {"a": {"run": "run.toml", "tasks": {}}}}, r"beds\.a\.tasks: Extra inputs are not permitted"),
        ({"beds": {"a": {"run": "none.toml"}}}, r"cannot read the run file .*none\.toml"),
    ],
)
def test_mistakes(write, keys, says):
    with pytest.raises(ConfigError, match=says):
        load_study(write(**keys))


def test_cells_side_by_side_are_the_runs_that_one_process_makes(write):
    heard, study = Heard(), load_study(write())
    assert train_cells(study, jobs=2, observer=heard) == []
    assert sorted(heard.begun) == [0, 1]
    assert sorted(heard.ends) == [(0, "trained"), (1, "trained")]
    assert heard.moves > 4
    assert [cells for _, cells in heard.lefts] == [1]
    again = Heard()
    assert train_cells(study, jobs=2, observer=again) == [] and again.begun == []
    alone = load_study(write(directory="alone"))
    alone.train()
    for run, other in zip(study.runs, alone.runs, strict=True):
        assert run.base_result().counts == other.base_result().counts
        assert run.result().counts == other.result().counts


CELL = """
import json, os, sys, time
from pathlib import Path
def tell(**news): print(json.dumps(news), flush=True)
tell(doing="training", done=1, total=2, right=0.5)
print("no news", flush=True)
name = Path(sys.argv[1]).name
if name.startswith("killed"): os.kill(os.getpid(), 9)
if name.startswith("crashed"): sys.exit("assertion failed")
if name.startswith("failed"): tell(ended="failed", reason="the loss is not finite")
elif name.startswith("full"): tell(ended="refused", reason="the disk is full", kind="StoreError")
elif name.startswith("long"):
    os.read(0, 1)
    tell(ended="interrupted", reason="")
else: tell(ended="trained")
"""


@pytest.fixture
def cells(write, monkeypatch, tmp_path):
    """`cells("killed", "good")`: train arms of these names, whose processes end as their names say, and what was heard."""
    (tmp_path / "cell.py").write_text(CELL)
    monkeypatch.setattr(side, "_PROGRAM", (sys.executable, str(tmp_path / "cell.py")))

    def train(*arms, jobs=2):
        heard = Heard()
        study = load_study(write(arms={arm: {} for arm in arms}))
        return heard, lambda: train_cells(study, jobs=jobs, observer=heard)

    return train


def test_a_cell_that_fails_or_dies_is_named_and_the_others_go_on(cells):
    heard, train = cells("killed", "crashed", "failed", "good")
    failed = {run.arm: reason for run, reason in train()}
    assert failed["killed"].startswith("its process was killed by signal 9 (out of memory? lower --jobs)")
    assert failed["crashed"] == "its process ended with code 1; its last step that was saved is kept: assertion failed"
    assert failed["failed"] == "the loss is not finite"
    assert sorted(heard.ends) == [(0, "failed"), (1, "failed"), (2, "failed"), (3, "trained")]
    assert heard.moves == 4


def test_a_full_disk_stops_what_runs_and_what_waits(cells):
    heard, train = cells("full", "long", "waiting")
    with pytest.raises(StoreError, match=r"^full, seed 0: the disk is full$"):
        train()
    assert sorted(heard.begun) == [0, 1]
    assert sorted(heard.ends) == [(0, "failed"), (1, "interrupted")]


def test_no_more_cells_run_than_jobs(cells):
    heard, train = cells("a", "b", "c", jobs=1)
    train()
    assert heard.ends == [(0, "trained"), (1, "trained"), (2, "trained")]
    assert [left for _, left in heard.lefts] == [2, 1]


def test_an_interrupt_is_passed_on_once_and_nothing_is_begun_after_it(cells):
    heard, train = cells("long", "waiting", jobs=1)
    heard.moved = lambda *news: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RunInterruptedError, match="the same command goes on from there"):
        train()
    assert heard.begun == [0] and heard.ends == [(0, "interrupted")]


def test_an_error_of_a_cell_is_one_of_its_own_class_or_a_failure():
    assert type(side._error("StoreError", "full")) is StoreError
    assert type(side._error("MissingExtraError", "no package")) is UsageError  # its own takes more than a message
    assert type(side._error("Nothing", "?")) is TrainingError


def test_a_kill_of_the_study_loses_no_finished_step(write):
    path = write(settings={"learner": {"steps": 400}, "checkpoint": {"every_steps": 0}}, arms={"nsr": ARMS["nsr"]})
    script = (
        f"from pathlib import Path; from counterpoise.jobs.study import load_study\n"
        f"from counterpoise.jobs.study.cells import train_cells\n"
        f"from counterpoise.cli.views.cells import CellLines\n"
        f"train_cells(load_study(Path({str(path)!r})), jobs=2, observer=CellLines(1))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    run = load_study(path).runs[0].config.path
    metrics = run / "metrics.jsonl"
    _wait(lambda: metrics.exists() and metrics.read_text().count("\n") >= 3)
    process.kill()
    process.wait()
    _wait(lambda: any(run.glob("checkpoints/step-*/state*")) or any(run.glob("checkpoints/step-*/*.json")))
    _wait(lambda: not _held(run))
    done = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    (saved,) = (int(one.name[5:]) for one in run.glob("checkpoints/step-*"))
    assert saved == done[-1] >= 3


def _held(run: Path) -> bool:
    import fcntl

    with open(run / ".lock") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _wait(ready, seconds=90.0):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_work_counts_what_is_left_and_pace_is_by_bed(configure):
    # 4 steps x 16 rollouts, each worth four, and an evaluation of 4 x 4 behind them
    config = configure("evaluation.after=true")
    assert work_left(config, 0) == 4 * 4 * 16 + 16
    assert work_left(config, 3) == 4 * 1 * 16 + 16
    assert work_left(config, 4) == 16
    pace = TimeLeft()
    assert pace.left([("a", config, 0)]) is None
    pace.finished("a", config, done=0, seconds=272.0)  # a second for each of 272
    pace.finished("b", config, done=3, seconds=160.0)  # two for each of 80
    assert pace.left([("a", config, 0), ("b", config, 3)]) == 272 + 160
    assert pace.left([("a", config, 0), ("b", config, 0)], jobs=2) == 544  # the longer one alone, not (272 + 544) / 2
    assert pace.left([("a", config, 0)] * 4, jobs=2) == 544
    assert pace.left([("c", config, 0)]) == pytest.approx(272 * 432 / 352)
    assert pace.left([]) == 0


def test_what_is_left_is_told_after_each_run_but_the_last(write):
    told = []
    load_study(write()).train(on_left=lambda seconds, runs: told.append((seconds > 0, runs)))
    assert told == [(True, 1)]

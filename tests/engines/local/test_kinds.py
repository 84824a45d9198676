"""The columns of kinds in whole runs: of a task that tells responses apart, of one that does not, and of one that fails at it."""

import math

import pytest

from counterpoise.engines.local.loop import train
from counterpoise.errors import TrainingError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.tasks.generators.paths import Paths

PATHS = (
    "model.name=lab:paths",
    "tasks.name=paths",
    "tasks.settings={}",
    "rollout.max_tokens=12",
    "rollout.prompts_per_step=8",
    "learner.steps=1",
    "checkpoint.every_steps=0",
)


def records(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def test_a_step_on_paths_has_the_share_of_each_procedure_that_can_be_right(configure):
    run = RunDirectory.create(configure(*PATHS))
    train(run)
    (record,) = records(run)
    kinds = {name: value for name, value in record.items() if name.startswith("kind/")}
    assert set(kinds) == {f"kind/{name}" for name in Paths().kinds} and len(kinds) == 8
    assert math.fsum(kinds.values()) == pytest.approx(1.0)  # every right response applies one of the eight
    assert record["kinds_kept"] == sum(share > 0 for share in kinds.values())
    assert 1.0 <= record["kinds_effective"] <= record["kinds_kept"]
    right = record["success_rate"] * 32
    assert all((share * right) == pytest.approx(round(share * right)) for share in kinds.values())


def test_a_task_without_kinds_has_none_of_the_columns(configure):
    run = RunDirectory.create(configure("learner.steps=1"))
    train(run)
    assert not [name for record in records(run) for name in record if name.startswith("kind")]


def test_a_kind_of_that_raises_says_where(configure, monkeypatch):
    def fails(self, problem, response):
        raise KeyError("numbers")

    monkeypatch.setattr(Paths, "kind_of", fails)
    with pytest.raises(
        TrainingError, match=r"kind_of of the task raised KeyError for a right response to problem \w+: 'numbers'; let"
    ):
        train(RunDirectory.create(configure(*PATHS)))

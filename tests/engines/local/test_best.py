"""Which checkpoint a run keeps as its best one, and by what."""

import json

import pytest

from counterpoise.engines.local.loop import train
from counterpoise.errors import ConfigError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics

SAVE_ALL = ("checkpoint.every_steps=1", "checkpoint.keep=1")


@pytest.mark.parametrize(("name", "best"), [("loss", min), ("reward", max), ("truncated_share", min)])
def test_the_best_checkpoint_is_the_lowest_or_the_highest_of_its_column(configure, name, best):
    run = RunDirectory.create(configure(*SAVE_ALL, f"checkpoint.best_by={name}"))
    train(run)
    values = {record["step"]: record[name] for record in read_metrics(run.metrics, on_damage=pytest.fail)}
    wanted = best(values.values())
    kept = json.loads((run.checkpoints / "best.json").read_text())
    # of equal ones the first
    assert kept == {"step": min(s for s, v in values.items() if v == wanted), "score": wanted, "by": name}
    assert (run.checkpoints / f"step-{kept['step']:06d}").is_dir()


def test_a_task_type_the_run_does_not_have_is_refused_before_the_model_is_read(configure):
    run = RunDirectory.create(configure("checkpoint.best_by=success_rate/sums", "model.name=no-such-model/at-all"))
    with pytest.raises(
        ConfigError, match=r"checkpoint.best_by: 'success_rate/sums' is the column of a task type, and this"
    ):
        train(run)


def test_a_run_that_was_begun_with_a_bad_name_goes_on_once_it_is_mended(configure):
    run = RunDirectory.create(configure("learner.steps=1"))
    train(run)
    saved = run.path / "config.toml"
    saved.write_text(saved.read_text().replace('best_by = "success_rate"', 'best_by = "sucess_rate"'))
    with pytest.raises(ConfigError, match=r"'sucess_rate' is not a column .*; did you mean 'success_rate'"):
        train(RunDirectory.open(run.path, ["learner.steps=2"]))
    train(RunDirectory.open(run.path, ["learner.steps=2", "checkpoint.best_by=reward"]))
    assert json.loads((run.checkpoints / "best.json").read_text())["by"] == "reward"

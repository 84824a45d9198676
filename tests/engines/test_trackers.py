import pytest

from counterpoise.engines.local import trackers
from counterpoise.engines.local.loop import train
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.runs.directory import RunDirectory


def test_tensorboard_gets_every_number_of_the_metrics_file(configure):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = RunDirectory.create(configure("learner.steps=2", "tracking.trackers=tensorboard", "tracking.project=lab"))
    train(run)
    (file,) = (run.path / "lab").glob("events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    assert [event.step for event in events.Scalars("reward")] == [1, 2]
    assert {"loss", "entropy", "gradient_norm", "tokens_sampled"} <= set(events.Tags()["scalars"])


def test_an_unknown_tracker_is_refused_before_the_run_begins_and_the_known_ones_named(configure):
    config = configure("tracking.trackers=tensorbord")
    known = r"did you mean 'tensorboard'\?; known: aim, clearml, .*, wandb"
    with pytest.raises(UnknownNameError, match=f"unknown tracking.trackers 'tensorbord'; {known}") as raised:
        train(RunDirectory.create(config))
    assert raised.value.exit_code == 2
    assert not config.path.exists()


def test_a_tracker_that_is_not_installed_is_refused_and_not_left_out(monkeypatch):
    monkeypatch.setattr(trackers, "get_available_trackers", list)
    with pytest.raises(MissingExtraError, match=r"tracking.trackers=wandb needs .*pip install 'wandb>=0.19'"):
        trackers.check_trackers(["wandb"])
    with pytest.raises(ConfigError, match=r"tracking.trackers=mlflow needs a package that is not installed"):
        trackers.check_trackers(["mlflow"])
    with pytest.raises(UnknownNameError, match=r"unknown tracking.trackers 'all'"):
        trackers.check_trackers(["all"])

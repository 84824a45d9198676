import pytest

from counterpoise.engines.local import loop, trackers
from counterpoise.engines.local.loop import train
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics


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


class Remembers:
    name = "remembers"

    def __init__(self):
        self.steps, self.finished = [], False

    def log(self, values, *, step):
        self.steps.append(step)

    def finish(self):
        self.finished = True


class Fails(Remembers):
    name = "fails"

    def log(self, values, *, step):
        super().log(values, step=step)
        raise OSError(28, "No space left on device")


def test_a_tracker_that_fails_ends_no_run_and_is_told_nothing_more(configure, monkeypatch):
    bad, good = Fails(), Remembers()
    real = loop.make_accelerator

    def with_trackers(run):
        accelerator = real(run)
        accelerator.trackers = [bad, good]
        return accelerator

    monkeypatch.setattr(loop, "make_accelerator", with_trackers)
    run = RunDirectory.create(configure("learner.steps=3"))
    assert train(run).checkpoint.step == 3
    assert (bad.steps, good.steps) == ([1], [1, 2, 3])
    assert good.finished
    assert len(list(read_metrics(run.metrics, on_damage=print))) == 3
    events = (run.path / "events.jsonl").read_text()
    assert events.count("fails failed (OSError: [Errno 28] No space left on device) and is not called again") == 1

import pytest
from accelerate.tracking import GeneralTracker

from counterpoise.engines.local import loop, trackers
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.tracked import markdown
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics


def test_tensorboard_gets_every_number_of_the_metrics_file(configure):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = ("learner.steps=2", "evaluation.before=true", "evaluation.after=true", "tracking.trackers=tensorboard")
    run = RunDirectory.create(configure(*settings, "tracking.project=lab"))
    train(run)
    (file,) = (run.path / "lab").glob("events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    assert [event.step for event in events.Scalars("outcome/reward")] == [1, 2]
    scalars = set(events.Tags()["scalars"])
    assert {"update/loss", "policy/entropy", "update/gradient_norm", "policy/tokens_sampled"} <= scalars
    assert [event.step for event in events.Scalars("evaluation/pass@4")] == [0, 2]
    assert {"evaluation/pass@4_low", "evaluation/pass@4_high"} <= scalars
    texts = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in events.Tags()["tensors"]}
    assert "credit.rule = " in texts["run/settings/text_summary"]
    assert "| verdict | reward | question |" in texts["rollouts/samples/text_summary"]


def test_an_unknown_tracker_is_refused_before_the_run_begins_and_the_known_ones_named(configure):
    config = configure("tracking.trackers=tensorbord")
    known = r"did you mean 'tensorboard'\? Known: aim, clearml, .*, wandb"
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


class Offline(GeneralTracker):
    """A tracker as accelerate would register it, which keeps what it is told."""

    name = "offline"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.told, self.tables, self.settings = [], [], {}

    @property
    def tracker(self):
        return self.told

    def store_init_configuration(self, values):
        self.settings = values

    def log(self, values, step=None):
        self.told.append((step, values))

    def log_table(self, name, *, columns, data, step):
        self.tables.append((step, name, columns, data))


def test_a_tracker_gets_settings_curves_and_samples(configure, monkeypatch):
    tracker, real = Offline(), loop.make_accelerator

    def with_tracker(run):
        accelerator = real(run)
        accelerator.trackers = [tracker]
        return accelerator

    monkeypatch.setattr(loop, "make_accelerator", with_tracker)
    train(RunDirectory.create(configure("learner.steps=1", "evaluation.after=true")))
    assert tracker.settings["learner.steps"] == 1
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in tracker.settings.values())
    (step, values), (last, curve) = tracker.told
    assert (step, last) == (1, 1)
    assert "outcome/success_rate" in values
    assert {"evaluation/pass@1", "evaluation/pass@1_low", "evaluation/pass@1_high"} <= set(curve)
    (at, name, columns, rows) = tracker.tables[0]
    assert (at, name, columns[-1]) == (1, "rollouts/samples", "response")
    assert all(len(row) == len(columns) for row in rows)


def test_a_run_keeps_its_id_when_it_is_continued(configure):
    run = RunDirectory.create(configure())
    first = trackers._named(run)["wandb"]
    assert first == trackers._named(RunDirectory.open(run.path))["wandb"]
    assert (first["name"], first["resume"]) == ("run", "allow")
    assert first["id"] != trackers._named(RunDirectory.create(configure(name="run2")))["wandb"]["id"]


def test_a_table_of_hostile_text_stays_a_table():
    text = markdown([{"step": 1, "text": "a|b\n<script>\x1b[31m", "question": "q" * 5000}])
    assert len(text.splitlines()) == 3
    assert "<script" not in text
    assert "\x1b" not in text
    assert len(text) < 1500

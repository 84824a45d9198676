"""Which settings are paths, what a relative one is relative to, and where it is found again."""

import os
from pathlib import Path

import pytest

from counterpoise.config.paths import PACKAGED, anchor, is_path_key, paths_in, relocate
from counterpoise.errors import ConfigError, ModelError, UsageError
from counterpoise.jobs.study.file import load_study
from counterpoise.models.registry import MODELS, resolve_model
from counterpoise.runfile import dump_config, load_config, load_stored, parse_config, settled
from counterpoise.targets import run_and_step


@pytest.fixture
def place(tmp_path, monkeypatch):
    """`project/` with a run file's folder and data, and `elsewhere/`, where the process is."""
    for folder in ("project/conf", "project/data", "project/models/q", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project/data/a.jsonl").write_text("")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


EVERYWHERE = {
    "run": {"directory": "../runs"},
    "model": {"name": "../models/q"},
    "tasks": {
        "train": "../data/a.jsonl",
        "test": "../data/./a.jsonl",
        "settings": {
            "path": "../data/a.jsonl",
            "question": "../q",
            "sources": [{"name": "jsonl", "path": "../data/a.jsonl"}],
        },
    },
    "verification": {"settings": {"llm": {"cache": "../cache.jsonl", "url": "../x"}, "qa": {"cache": "../x"}}},
}


def test_every_path_of_a_run_file_follows_the_file(place):
    tables = {name: dict(table) for name, table in EVERYWHERE.items()}
    anchor(tables, place / "conf", source="run.toml")
    assert {found.key: found.value for found in paths_in(tables)} == {
        "run.directory": str(place / "runs"),
        "model.name": str(place / "models/q"),
        "tasks.train": str(place / "data/a.jsonl"),
        "tasks.test": str(place / "data/a.jsonl"),
        "tasks.settings.path": str(place / "data/a.jsonl"),
        "tasks.settings.sources.0.path": str(place / "data/a.jsonl"),
        "verification.settings.llm.cache": str(place / "cache.jsonl"),
    }
    assert all(is_path_key(found.key) for found in paths_in(tables))
    assert tables["tasks"]["settings"]["question"] == "../q"
    assert tables["verification"]["settings"]["qa"]["cache"] == "../x"


@pytest.mark.parametrize(
    ("name", "found"), [("jsonl", True), ("countdown", False), ("mine.py:Task", True), (None, True), (3, True)]
)
def test_paths_of_a_task_are_those_that_it_declares(place, name, found):
    # A task that is not ours, or not named yet, may have what any of ours has.
    tables = {"tasks": {"name": name, "settings": {"path": "../data/a.jsonl"}}}
    assert ("tasks.settings.path" in {one.key for one in paths_in(tables)}) is found


@pytest.mark.parametrize(
    "key", ["learner.steps", "model.dtype", "tasks.name", "tasks.settings.gold", "verification.settings.qa.path"]
)
def test_other_settings_are_no_paths(key):
    assert not is_path_key(key)


@pytest.mark.parametrize(
    "tables",
    [
        {"tasks": 3},
        {"tasks": {"settings": 3}},
        {"tasks": {"settings": {"sources": [3]}}},
        {"model": {"name": 3}},
        {"run": []},
    ],
)
def test_tables_of_the_wrong_shape_are_left_to_the_schema(tables):
    assert list(paths_in(tables)) == []


def test_a_typed_path_follows_the_current_directory(place):
    (place / "conf/run.toml").write_text('[tasks]\nname = "jsonl"\ntest = "../data/a.jsonl"\n')
    config = load_config(place / "conf/run.toml", ["tasks.train=b.jsonl", "run.directory=out"])
    assert config.tasks.test == place / "data/a.jsonl"
    whole = settled(config)
    assert whole.tasks.train == Path.cwd() / "b.jsonl"
    assert whole.run.directory == Path.cwd() / "out"
    assert settled(whole) == whole


def test_a_file_that_is_only_in_the_current_directory_is_refused_with_both_places(place):
    Path("b.jsonl").write_text("")
    file = place / "conf/run.toml"
    file.write_text('[tasks]\nname = "jsonl"\ntrain = "b.jsonl"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value) == (
        f"{file}: tasks.train=b.jsonl is not at {place}/conf/b.jsonl, and there is one in the current directory, {Path.cwd()}/b.jsonl. "
        "A path in a run file is relative to the file: write ../../elsewhere/b.jsonl there, or give the setting on the command line: "
        "tasks.train=b.jsonl"
    )


@pytest.mark.parametrize("name", ["lab", "lab:weak", "smollm2", "org/name", "gpt2"])
def test_a_model_s_name_is_no_path(place, name):
    (place / "conf" / "lab").mkdir()  # a folder of that name is not the packaged model
    (place / "conf/run.toml").write_text(f'[model]\nname = "{name}"\n')
    assert load_config(place / "conf/run.toml").model.name == name


def test_the_packaged_models_are_those_of_the_registry():
    assert {name.partition(":")[0] for name in MODELS} == set(PACKAGED)


def test_a_model_only_in_the_current_directory_is_refused(place):
    Path("m/q").mkdir(parents=True)
    (place / "conf/run.toml").write_text('[model]\nname = "m/q"\n')
    with pytest.raises(
        ConfigError, match=r"model.name=m/q is not at .*/conf/m/q, and there is one in the current directory"
    ):
        load_config(place / "conf/run.toml")


def test_the_default_directory_of_runs_follows_the_current_directory(place):
    (place / "conf/run.toml").write_text(dump_config(parse_config({})))
    config = load_config(place / "conf/run.toml")
    assert config.path == Path("runs/run")
    assert config == parse_config({})


def test_none_and_the_empty_text_are_no_paths(place):
    (place / "conf/run.toml").write_text('[tasks]\ntrain = "none"\n[verification.settings.llm]\ncache = ""\n')
    config = load_config(place / "conf/run.toml")
    assert config.tasks.train is None
    assert config.verification.settings == {"llm": {"cache": ""}}


def test_a_nul_is_refused(place):
    (place / "conf/run.toml").write_text('[tasks]\ntrain = "a\\u0000b"\n')
    with pytest.raises(ConfigError, match=r"tasks.train='a\\x00b' holds a NUL character"):
        load_config(place / "conf/run.toml")


def _stored(home, **changes):
    data = {"run": {"directory": str(home.parent), "name": home.name}, **changes}
    home.mkdir(parents=True)
    (home / "config.toml").write_text(dump_config(parse_config(data)))


def test_a_project_that_was_moved_as_a_whole_finds_its_files(place, tmp_path):
    home = place / "runs/a"
    _stored(
        home,
        model={"name": str(place / "models/q")},
        tasks={"name": "jsonl", "settings": {"path": str(place / "data/a.jsonl")}},
    )
    os.rename(place, tmp_path / "moved")
    config = load_stored(tmp_path / "moved/runs/a")
    assert config.tasks.settings == {"path": str(tmp_path / "moved/data/a.jsonl")}
    assert config.model.name == str(tmp_path / "moved/models/q")


def test_a_path_that_is_still_there_is_kept_where_a_run_was_copied(place, tmp_path):
    _stored(place / "runs/a", tasks={"name": "jsonl", "settings": {"path": str(place / "data/a.jsonl")}})
    os.rename(place / "runs/a", tmp_path / "elsewhere/b")
    assert load_stored(Path("b")).tasks.settings == {"path": str(place / "data/a.jsonl")}


def test_a_relative_path_of_an_earlier_version_is_relative_to_where_the_run_was_started(place):
    home = place / "runs/a"
    home.mkdir(parents=True)
    tables = {
        "run": {"directory": "runs", "name": "a"},
        "model": {"name": "models/q"},
        "tasks": {"settings": {"path": "data/a.jsonl"}, "train": "gone.jsonl"},
    }
    relocate(tables, home)
    assert tables["tasks"] == {"settings": {"path": str(place / "data/a.jsonl")}, "train": str(place / "gone.jsonl")}
    assert tables["model"] == {"name": str(place / "models/q")}


@pytest.fixture
def run(place):
    """A run beside the run file's folder, with one checkpoint."""
    path = place / "runs" / "x"
    (path / "checkpoints" / "step-000020" / "policy").mkdir(parents=True)
    (path / "config.toml").write_text('[model]\nname = "lab"\n')
    return path


@pytest.mark.parametrize("name", ["../runs/x@20", "{run}@20"])
def test_a_checkpoint_of_a_run_is_a_model(place, run, name):
    file = place / "conf" / "run.toml"
    file.write_text(f'[model]\nname = "{name.format(run=run)}"\n')
    policy = run / "checkpoints" / "step-000020" / "policy"
    assert load_config(file).model.name == str(policy)
    typed = parse_config({}, [f"model.name={os.path.relpath(run)}@20"])
    assert settled(typed).model.name == str(policy)


def test_an_arm_of_a_study_may_begin_with_a_checkpoint(place, run):
    (place / "conf" / "run.toml").write_text('[tasks]\nname = "countdown"\n')
    text = 'run = "run.toml"\nseeds = [0]\n[arms.a.model]\nname = "../runs/x@20"\n[arms.b.model]\nname = "lab"\n'
    (place / "conf" / "study.toml").write_text(text)
    runs = load_study(place / "conf" / "study.toml").runs
    policy = run / "checkpoints" / "step-000020" / "policy"
    assert [one.config.model.name for one in runs] == [str(policy), "lab"]


@pytest.mark.parametrize(
    ("step", "words"),
    [(7, r"has no checkpoint of step 7; steps there: 20"), (0, r"is the model that .* began with; give its name")],
)
def test_a_step_that_is_no_model_is_one_line(place, run, step, words):
    file = place / "conf" / "run.toml"
    file.write_text(f'[model]\nname = "../runs/x@{step}"\n')
    for call in (lambda: load_config(file), lambda: resolve_model(f"{run}@{step}")):
        with pytest.raises(ModelError, match=words) as refused:
            call()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("target", ["x@" + "9" * 5000, "a" * 300 + "@3", "b" * 300])
def test_a_name_that_no_file_can_have_is_one_line(target):
    with pytest.raises(UsageError, match="is too long for the name of a file"):
        run_and_step(target)


@pytest.mark.parametrize("step", ["", "75x", "-1", "1e2", "best", " 2", "2.0"])
def test_what_is_no_step_of_a_run_is_not_taken_for_a_model(run, step):
    with pytest.raises(UsageError, match=r"is not a step of .*; write a whole number, e.g. ") as refused:
        run_and_step(f"{run}@{step}")
    assert repr(step) in str(refused.value)
    assert run_and_step(f"{run}x@{step}")[1] is None


def test_a_step_of_what_is_no_run_and_a_run_that_is_elsewhere(place, run, monkeypatch):
    with pytest.raises(ModelError, match="no model directory"):
        resolve_model(f"{place}/nothing@3")
    monkeypatch.chdir(place)
    file = place / "conf" / "run.toml"
    file.write_text('[model]\nname = "runs/x@20"\n')
    with pytest.raises(ConfigError, match=r"A path in a run file is relative to the file: write \.\./runs/x@20 there"):
        load_config(file)

"""`counterpoise init`: a run file to begin with, which loads and trains."""

import tomllib

import pytest

from counterpoise.runfile import load_config


def test_a_file_of_init_loads_and_is_what_was_asked_for(command, tmp_path):
    result = command("init", "-o", "mine.toml", "--rule", "nsr", "learner.steps=7")
    assert result.exit_code == 0
    assert "counterpoise train mine.toml --dry-run" in result.stderr
    config = load_config(tmp_path / "mine.toml")
    assert (config.credit.rule, config.learner.steps, config.tasks.settings["count"]) == ("nsr", 7, 3)


def test_init_prints_without_a_file(command):
    result = command("init", "--model", "org/name", "--task", "jsonl", "tasks.settings.path=mine.jsonl")
    assert tomllib.loads(result.stdout)["tasks"] == {"name": "jsonl", "settings": {"path": "mine.jsonl"}}


def test_a_typed_path_means_the_same_in_a_file_elsewhere(command, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    command("init", "-o", "elsewhere/mine.toml", "--task", "jsonl", "tasks.settings.path=mine.jsonl")
    assert load_config(tmp_path / "elsewhere" / "mine.toml").tasks.settings["path"] == str(tmp_path / "mine.jsonl")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rule", "nrs"), "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
        (("--task", "cuntdown"), "unknown task 'cuntdown'; did you mean 'countdown'?"),
        (("--model", "lab:weka"), "did you mean 'lab:weak'?"),
        (("--rule", "nsr", "credit.rule=psr"), "credit.rule=psr and --rule say the same thing twice"),
        (("learner.stepz=3",), "unknown key 'learner.stepz'; did you mean 'steps'?"),
        (("mine.toml",), "a file to write is named by --out: counterpoise init --out mine.toml"),
    ],
)
def test_init_says_what_is_wrong_before_anything_is_written(refused, tmp_path, words, says):
    refused("init", *words, says=says)
    assert not [*tmp_path.iterdir()]


def test_init_says_what_is_still_to_be_set(command, tmp_path):
    result = command("init", "--out", tmp_path / "run.toml", "--task", "jsonl")
    assert (result.exit_code, (tmp_path / "run.toml").is_file()) == (0, True)
    assert "before it can be trained: task 'jsonl' needs a file" in result.stderr
    assert "before it can be trained" not in command("init", "--out", tmp_path / "other.toml").stderr


def test_init_replaces_nothing(refused, tmp_path):
    (tmp_path / "mine.toml").write_text("mine")
    refused("init", "-o", "mine.toml", says="mine.toml exists already")
    assert (tmp_path / "mine.toml").read_text() == "mine"

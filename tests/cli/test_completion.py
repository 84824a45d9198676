"""`init`, `list`, `config` and tab completion: what a newcomer types first."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest

from counterpoise.config.catalogue import CATALOGUE
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


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_name_has_a_line(kind):
    entries = CATALOGUE[kind].load()
    assert entries
    assert all(entry.said and "\n" not in entry.said for entry in entries)


def test_list_names_them_and_marks_what_is_there_for_comparison(command, answer):
    assert "credit.token_weights" in command("list").stdout
    rules = command("list", "rules").stdout.splitlines()
    assert next(line for line in rules if "gdpo" in line).split()[1:3] == ["for", "comparison"]
    assert not [line for line in rules if "for comparison" in line and "gdpo" not in line]
    found = answer("list")
    assert [entry["name"] for entry in found["filters"] if entry["for_comparison"]] == ["zero_variance"]


def test_config_says_what_a_key_takes(command):
    assert "tracking" in command("config").stdout
    line = next(line for line in command("config", "rollout").stdout.splitlines() if "group_size" in line)
    assert line.split("  ")[0].strip() == "group_size"
    assert "an integer in [1, inf)" in line and "8" in line and "Rollouts per problem." in line
    assert "group_size" not in command("config", "rollout.max_tokens").stdout
    assert "nu " in command("config", "credit.rule=hinge").stdout
    assert "has no settings" in command("config", "credit.rule=nsr").stderr
    assert "factor" in command("config", "guards.settings=entropy").stdout
    assert json.loads(command("config", "--schema").stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("config", "lerner"), "unknown section of the run file 'lerner'; did you mean 'learner'?"),
        (("config", "learner.stepz"), "unknown key of [learner] 'stepz'; did you mean 'steps'?"),
        (("config", "credit.rule=nrs"), "unknown credit.rule 'nrs'; did you mean 'nsr'?"),
        (("config", "credit.role=nsr"), "did you mean 'credit.rule'?"),
        (("config", "learner", "--schema"), "leave the section away"),
        (("list", "ruls"), "unknown kind of names 'ruls'; did you mean 'rules'?"),
        (("list", "\x1b[2J"), "unknown kind of names"),
    ],
)
def test_a_slip_gets_the_nearest_name(refused, words, says):
    assert "\x1b" not in refused(*words, says=says).output


def completed(*words, split=False):
    """What the shell's script is told for these words, the last of them being typed."""
    environment = {
        **os.environ,
        "_COUNTERPOISE_COMPLETE": "complete_bash" if split else "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": " ".join(["counterpoise", *words]),
        "COMP_WORDS": " ".join(["counterpoise", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "import sys; sys.argv = ['counterpoise']; from counterpoise.cli.app import app; app()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    return found.stdout.split()


def test_a_shell_completes_settings():
    assert completed("train", "run.toml", "credit.rule=ns") == ["credit.rule=nsr"]


def test_bash_splits_at_the_sign_and_gets_the_value():
    assert completed("train", "run.toml", "credit.rule", "=", "ns", split=True) == ["nsr"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash")
def test_bash_itself_is_told(tmp_path):
    tool = tmp_path / "counterpoise"
    tool.write_text(f"#!{sys.executable}\nfrom counterpoise.cli.app import main\nmain()\n")
    tool.chmod(0o755)
    script = inspect.cleandoc(
        """
        source <(_COUNTERPOISE_COMPLETE=source_bash counterpoise)
        COMP_WORDS=(counterpoise train run.toml loss.name = cis); COMP_CWORD=5; COMP_LINE="${COMP_WORDS[*]}"
        _counterpoise_completion counterpoise cis =
        echo "${COMPREPLY[@]}"
        """
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert found.stdout.split() == ["cispo"], found.stderr


def test_none_of_them_imports_torch():
    code = (
        "import sys, typer.testing as t; from counterpoise.cli.app import app; from counterpoise.config.complete import *\n"
        "for words in (['init'], ['list'], ['list', 'rules', '--json'], ['config', 'credit'], ['config', 'credit.rule=hinge']):\n"
        "    assert t.CliRunner().invoke(app, words).exit_code == 0, words\n"
        "assert complete_override('credit.settings.')\n"
        "print(*sorted({'torch', 'transformers', 'accelerate', 'sympy', 'datasets'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("\n", "")

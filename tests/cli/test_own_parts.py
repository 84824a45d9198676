"""Runs with parts that are not ours, from the command line: what a run keeps of them, and what it refuses once they are others."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from counterpoise.cli.app import app
from counterpoise.plugins import parts

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_reward"
SMALL = (
    "learner.steps=2",
    "rollout.prompts_per_step=4",
    "rollout.group_size=2",
    "rollout.max_tokens=6",
    "evaluation.problems=4",
    "evaluation.n=2",
    "checkpoint.every_steps=1",
    "verification.workers=1",
    "learner.minibatch=4",
)
PARTS = """
from counterpoise.credit.controllers.base import Lambdas


def rule(rewards, statistics):
    return statistics.correct.double() * 2.0 - 1.0


class Counting:
    def __init__(self):
        self.seen = 0

    def update(self, statistics):
        self.seen += 1
        return dict.fromkeys(statistics, Lambdas(plus=1.0, minus=1.0))

    def report(self):
        return {"seen": float(self.seen)}

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_policy):
    """The example in a folder of its own, with a rule and a controller beside it, trained for two steps of a tiny policy."""
    home = tmp_path_factory.mktemp("own") / "example"
    shutil.copytree(EXAMPLE, home, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    (home / "balance.py").write_text(PARTS)
    own = ("credit.rule=balance.py:rule", "credit.controller=balance.py:Counting", f"model.name={tiny_policy}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        result = CliRunner().invoke(app, ["train", "run.toml", *own, *SMALL], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    # Where it was begun it is no longer to be found.
    return home.rename(home.with_name("sent")), home, result


@pytest.fixture
def moved(folder, tmp_path):
    """The folder as it arrives somewhere else, with the run in it; the run."""
    shutil.copytree(folder[0], tmp_path / "elsewhere")
    return tmp_path / "elsewhere" / "runs" / "own-reward"


def _metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_says_what_it_imports_and_keeps_hash_and_copy(folder):
    sent, home, _ = folder
    run = sent / "runs" / "own-reward"
    for name in ("rewards.py", "balance.py"):
        assert (run / "parts" / name).read_bytes() == (sent / name).read_bytes()
    identity = json.loads((run / "identity.json").read_text())
    assert sorted(identity["parts"]) == [
        "controller balance.py:Counting",
        "rule balance.py:rule",
        "verifier rewards.py:check",
    ]
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["tasks"]["settings"]["verifier"] == f"{home}/rewards.py:check"
    assert str(home) not in json.dumps(identity["config"]["credit.rule"])


def test_a_moved_folder_resumes_evaluates_grades_and_reports(command, moved):
    assert command("train", moved, "learner.steps=3").exit_code == 0
    metrics = _metrics(moved)
    assert [line["step"] for line in metrics][-1] == 3
    # The controller counted on: its state came back with the checkpoint.
    seen = [value for line in metrics for name, value in line.items() if name.endswith("seen")]
    assert seen == [1.0, 2.0, 3.0]
    for arguments in (("eval", moved, "--step", "2"), ("grade", moved), ("report", moved), ("watch", moved)):
        result = command(*arguments)
        assert result.exit_code == 0, result.output
    assert "rewards.py:check" in command("grade", moved).output


@pytest.mark.parametrize(
    "arguments",
    [("train",), ("eval",), ("grade",), ("explain",), ("advise",), ("train", "learner.steps=3", "--dry-run")],
)
def test_code_that_differs_is_refused_in_one_line_before_it_is_imported(refused, moved, arguments):
    code = moved.parents[1] / "rewards.py"
    code.write_text(f"open({str(moved / 'imported')!r}, 'w')\n")
    before = sorted(moved.rglob("*"))
    says = (
        f"{code} is not the code that this run was begun with",
        "for verifier rewards.py:check. Put the old code back (cp ",
    )
    result = refused(arguments[0], moved, *arguments[1:], says=says)
    assert result.stderr.count("\n") == 1
    assert sorted(moved.rglob("*")) == before


def test_the_way_back_that_is_named_leads_back(command, refused, moved):
    code = moved.parents[1] / "rewards.py"
    code.write_text(code.read_text() + "# changed\n")
    result = refused("train", moved, "learner.steps=3", says="Put the old code back")
    shutil.copy(*re.search(r"\(cp (\S+) (\S+)\)", result.stderr).groups())
    assert command("train", moved, "learner.steps=3").exit_code == 0


@pytest.mark.parametrize("arguments", [("train",), ("eval",)])
def test_code_that_is_gone_is_named_with_the_copy_of_the_run(refused, moved, arguments):
    (moved.parents[1] / "rewards.py").unlink()
    result = refused(
        *arguments,
        moved,
        says=("rewards.py", "does not exist", f"the run's own copy of it is {moved / 'parts' / 'rewards.py'}"),
    )
    assert result.stderr.count("\n") == 1


def test_what_needs_no_code_works_without_it(command, moved):
    for name in ("rewards.py", "balance.py"):
        (moved.parents[1] / name).unlink()
    for arguments in (("report", moved), ("watch", moved), ("compare", f"{moved}@0", moved)):
        result = command(*arguments)
        assert result.exit_code == 0, result.output


def test_a_new_reward_grades_what_an_old_one_was_trained_with(command, refused, moved):
    code = moved.parents[1] / "rewards.py"
    code.write_text("def check(response, gold):\n    return False\n")
    refused("grade", moved, says="name the new code: --verifier ./FILE.py:NAME")
    result = command("grade", moved, "--verifier", f"{code}:check")
    assert result.exit_code == 0, result.output
    assert json.loads(next(moved.glob("evaluation/step-*/passk.json")).read_text())


def test_copies_that_a_kill_kept_from_being_made_are_made_on_resume(command, moved):
    shutil.rmtree(moved / "parts")
    assert command("train", moved, "learner.steps=3").exit_code == 0
    assert sorted(path.name for path in (moved / "parts").iterdir()) == ["balance.py", "rewards.py"]


@pytest.fixture
def example(tmp_path, tiny_policy):
    """The run file of the example in the current directory."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    return lambda *overrides: ("train", "run.toml", f"model.name={tiny_policy}", *SMALL, *overrides)


@pytest.mark.parametrize(
    ("override", "text", "says"),
    [
        ("credit.rule=none.py:x", None, "'none.py:x': there is no file "),
        ("credit.rule=no_such_pkg:x", None, "there is no module 'no_such_pkg'"),
        ("credit.rule=p.py:x", "def x(a): pass", "credit.rule p.py:x: x(a) cannot be called with (rewards, statistics)"),
        ("credit.rule=p.py:x", "import sys\nsys.exit()", "p.py cannot be imported: SystemExit"),
        ("credit.rule=p.py", "x = 1", "names no object; write what it is called too, e.g. "),
        ("guards.names=[\"p.py:x\"]", "x = 1", "guards p.py:x is an int"),
        ("prompt.template=p.py:x", "x = 'no field'", "prompt.template p.py:x"),
        ("loss.name=p.py:x", "def x(): pass", "loss p.py:x: x() cannot be called with (tokens)"),
        ("tasks.settings.verifier=deep/rewards.py:check", None, "no file"),
        ("credit.rule=deep/rewards.py:rule", "", "two files are called rewards.py, "),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_the_model_is_read(refused, example, tmp_path, no_model, override, text, says):
    if text is not None:
        (tmp_path / "p.py").write_text(text)
    if says.startswith("two files"):
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "rewards.py").write_text("def rule(rewards, statistics):\n    return rewards\n")
    if says == "no file":
        says = "deep/rewards.py"
    result = refused(*example(override), says=says)
    assert result.stderr.rstrip().rpartition("\n")[2].startswith("error: ")
    assert not (tmp_path / "runs").exists()


def test_a_task_by_import_path_is_evaluated_into_one_folder(command, tiny_policy, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "parts.py").write_text(
        "def records(split):\n    return [{'question': f'1+{n}=', 'answer': 1 + n} for n in range(3)]\n"
    )
    own = ("tasks.settings.verifier=exact", "prompt.template=plain", "evaluation.max_tokens=4")
    result = command("eval", tiny_policy, "--task", "code/parts.py:records", "--n", "2", *own)
    assert result.exit_code == 0, result.output
    assert [path.name.rpartition("-parts")[1:] for path in (tmp_path / "runs").iterdir()] == [("-parts", ".py-records")]
    assert command("grade", next((tmp_path / "runs").iterdir())).exit_code == 0


def test_selfcheck_of_a_function_says_what_it_could_not_check(command, example):
    own = ("path=problems.jsonl", "gold=target", "verifier=rewards.py:check", "template=plain", "test_fraction=0.9")
    result = command("tasks", "selfcheck", "jsonl", *own, "--sample", "3")
    assert result.exit_code == 0, result.output
    assert "no right response is known to 3 problems of 3, whose verifier is not one of ours" in " ".join(
        result.stderr.split()
    )
    assert "not rejected" not in result.stderr


def test_verify_with_a_function(command, jsonl, tmp_path):
    (tmp_path / "own.py").write_text("def check(response, gold):\n    return response == gold\n")
    path = jsonl("r.jsonl", {"gold": "7", "response": "7"}, {"gold": "7", "response": "8"})
    result = command("verify", path, "--verifier", "./own.py:check")
    assert result.exit_code == 0, result.output
    assert re.search(r"correct +1 +50", result.output) and re.search(r"wrong +1 +50", result.output)


def test_names_of_packages_are_listed(command, tmp_path, monkeypatch):
    (tmp_path / "hopeful-1.0.dist-info").mkdir()
    (tmp_path / "hopeful-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: hopeful\nVersion: 1.0\n")
    names = "[counterpoise.plugins]\nrule.hopeful = my_pkg.rules:Hopeful\ntemplate.mine = my_pkg:TEXT\n"
    (tmp_path / "hopeful-1.0.dist-info" / "entry_points.txt").write_text(names)
    monkeypatch.syspath_prepend(tmp_path)
    parts._plugins.cache_clear()
    try:
        result = command("list", "rules")
        assert "hopeful" in result.output and "added by an installed package: my_pkg.rules:Hopeful" in result.output
        assert "my_pkg:TEXT" in command("list", "templates").output
    finally:
        parts._plugins.cache_clear()

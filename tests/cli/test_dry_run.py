"""What is said before money is spent, and how long it will take: the header of a run, and `--dry-run`."""

import hashlib
import os

import pytest

from counterpoise.engines.local.messages.outlook import Outlook, evaluations_to_come
from counterpoise.runfile import parse_config


def content(directory):
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_dry_run_says_everything_and_writes_nothing(command, run_file, tmp_path):
    file = run_file(evaluation={"before": True, "after": True, "every": 2})
    before = content(tmp_path)
    result = command("train", file, "--dry-run")
    assert result.exit_code == 0, result.output
    assert content(tmp_path) == before
    assert not (tmp_path / "runs").exists()
    device, model, problems, prompt, to_come = result.stdout.splitlines()
    assert device.startswith(("device: cpu, ", "device: cuda:"))
    assert "parameters, float32; decoded by " in model and "; trained by " in model
    # of numbers up to 6 there are few pairs
    assert "countdown, " in problems and " test problems, judged by countdown" in problems
    assert prompt.startswith("prompt: plain, the first one has ") and prompt.endswith("\\n'")
    # before, at step 2, after; 4 steps x 4 x 4
    assert to_come == (
        "to come: 4 steps x 4 prompts x 4 = 64 rollouts of at most 6 tokens; 3 evaluations of 4 problems x 4 = 48 rollouts"
    )
    assert f"dry run: nothing was written; without --dry-run it goes into {tmp_path}/runs/run" in result.stderr


def test_what_a_guard_draws_is_counted(command, run_file):
    narrowing = {"every": 2, "problems": 3, "n": 4, "k": 2}
    file = run_file(guards={"names": ["narrowing"], "settings": {"narrowing": narrowing}})
    *_, to_come = command("train", file, "--dry-run").stdout.splitlines()
    assert to_come.endswith(
        "; guard narrowing 2 times 3 held-out problems x 4 = 24 rollouts"
    )  # after steps 1 and 3 of 4


def test_the_same_header_stands_before_training_and_the_time_after_the_first_step(command, run_file):
    file = run_file(evaluation={"before": True, "after": True})
    said = command("train", file, "--dry-run").stdout.splitlines()
    heard = command("train", file).stderr.splitlines()
    assert heard[: len(said)] == said
    (outlook,) = [line for line in heard if line.startswith("a step takes about ")]
    assert "for the 3 steps to come" in outlook and "for 1 evaluation, " in outlook and outlook.endswith(" in all")
    assert heard.index(outlook) > heard.index(next(line for line in heard if line.startswith("training in")))


def test_what_the_header_says_is_no_event(command, run_file, tmp_path):
    assert command("train", run_file()).exit_code == 0
    events = tmp_path / "runs" / "run" / "events.jsonl"
    assert not events.exists() or "to come" not in events.read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"credit": {"rule": "nrs"}}, "did you mean 'nsr'?"),
        ({"rollout": {"max_tokens": 9999}}, "rollout.max_tokens=9999 can never be had"),
        ({"prompt": {"max_tokens": 1}}, "prompt.max_tokens"),
        ({"tracking": {"trackers": ["nothing"]}}, "unknown tracking.trackers 'nothing'"),
    ],
)
def test_it_refuses_what_training_refuses(refused, run_file, tmp_path, changes, says):
    refused("train", run_file(**changes), "--dry-run", says=says)
    assert not (tmp_path / "runs").exists()


def test_a_name_that_is_taken_is_refused_too(command, refused, run_file):
    assert command("train", run_file(learner={"steps": 1})).exit_code == 0
    refused("train", run_file(), "--dry-run", says="already holds a run")


def test_a_directory_that_could_not_be_made_is_said(refused, run_file, tmp_path):
    (tmp_path / "file").write_text("")
    file = run_file(run={"directory": str(tmp_path / "file")})
    refused("train", file, "--dry-run", says="Not a directory", code=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_is_only_read_is_said(refused, run_file, tmp_path):
    (tmp_path / "shut").mkdir(mode=0o555)
    refused("train", run_file(run={"directory": str(tmp_path / "shut")}), "--dry-run", says="Permission denied", code=1)


def test_a_run_that_goes_on_says_where_and_stays_as_it_is(command, run_file, tmp_path):
    assert command("train", run_file()).exit_code == 0
    run = tmp_path / "runs" / "run"
    # a damaged checkpoint stays where it is, and the one before it is looked at
    (run / "checkpoints" / "step-000004" / "state.pt").write_bytes(b"")
    before = content(run)
    result = command("train", run, "learner.steps=9", "--dry-run")
    assert result.exit_code == 0, result.output
    assert content(run) == before
    first, *_, last = result.stdout.splitlines()
    assert first == "goes on after step 2 of 9"
    assert last.startswith("to come: 7 steps x ")


def test_a_run_with_other_data_is_refused(command, refused, run_file, jsonl, tmp_path):
    lines = [{"question": f"{a}+1=?", "answer": str(a + 1)} for a in range(20)]
    jsonl("train.jsonl", *lines[:10])
    own = {"name": "jsonl", "train": "train.jsonl", "settings": {"verifier": "exact"}}
    file = run_file(tasks=own, prompt={"template": "plain"}, learner={"steps": 1})
    assert command("train", file).exit_code == 0
    jsonl("train.jsonl", *lines)
    refused("train", tmp_path / "runs" / "run", "learner.steps=2", "--dry-run", says="the problems have changed")


def test_a_hostile_prompt_stays_on_its_line(command, run_file, jsonl):
    jsonl("train.jsonl", {"question": "1\x1b[2J\r\n\u202e" + "9+" * 200 + "1", "answer": "1"})
    own = {"name": "jsonl", "train": "train.jsonl", "settings": {"verifier": "exact"}}
    result = command("train", run_file(tasks=own, prompt={"template": "plain"}), "--dry-run")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.split("\n") if line.startswith("prompt: ")]
    assert "\\x1b[2J\\r\\n\\u202e" in line and " … " in line and len(line) < 500
    assert "no test problems" in result.stdout


RECORD = {"seconds": 3.0, "seconds_sample": 1.2, "seconds_verify": 0.4, "seconds_diagnostics": 1.0}


def config(*overrides):
    given = ["rollout.prompts_per_step=2", "rollout.group_size=4", "evaluation.n=10", "diagnostics.every=4"]
    return parse_config({}, [*given, "learner.steps=11", *overrides])


def test_the_time_is_that_of_a_step_with_its_share_of_the_diagnostics():
    outlook = Outlook(config(), problems=5)
    # 3 - 1 x (1 - 1/4) = 2.25 s a step; 1.6 s / 8 rollouts = 0.2 s, and one evaluation of 50 left: 10 s
    assert outlook.after_step(1, RECORD) == (
        "a step takes about 2.2 s: 22.5 s for the 10 steps to come, 10.0 s for 1 evaluation, 32.5 s in all"
    )
    assert outlook.after_step(2, RECORD) is None


def test_evaluations_last_as_long_as_the_one_before(monkeypatch):
    clock = iter([0.0, 1.0, 5.0])
    monkeypatch.setattr("counterpoise.engines.local.messages.outlook.time.monotonic", lambda: next(clock))
    outlook = Outlook(config("evaluation.every=4"), problems=5)
    for done in (25, 30, 50):  # 25 were there: 5 s for 25 rollouts, so 10 s for each of the 3 to come
        outlook.evaluating(done, 50)
    assert "30.0 s for 3 evaluations" in outlook.after_step(1, RECORD)


def test_the_last_step_leaves_nothing_to_say():
    outlook = Outlook(config("learner.steps=1", "evaluation.after=false"), problems=5)
    assert outlook.after_step(1, RECORD) is None


@pytest.mark.parametrize(
    ("overrides", "step", "times"),
    [
        ([], 0, 2), ([], 1, 1), (["evaluation.before=false"], 0, 1), (["evaluation.every=4"], 0, 4),
        (["evaluation.every=4"], 4, 2), (["evaluation.every=4"], 11, 1), (["evaluation.after=false"], 11, 0),
    ],
)  # fmt: skip
def test_evaluations_are_counted(overrides, step, times):
    assert evaluations_to_come(config(*overrides), step) == times


def test_adapters_are_told_from_the_rest(command, run_file):
    pytest.importorskip("peft")
    file = run_file(model={"lora": {"rank": 2}})
    line = command("train", file, "--dry-run").stdout.splitlines()[1]
    assert " of them trained, float32" in line


def test_nothing_is_left_of_a_dry_run_under_a_tracker(command, run_file, tmp_path):
    pytest.importorskip("tensorboard")
    result = command("train", run_file(tracking={"trackers": ["tensorboard"]}), "--dry-run")
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]

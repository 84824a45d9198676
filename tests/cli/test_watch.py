import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from counterpoise.cli.commands.watch import _sparkline
from counterpoise.files import append_json_lines
from counterpoise.runfile import dump_config, load_config
from counterpoise.runs.engine_logs import find_engine_log
from counterpoise.runs.following import FollowedRun, History, Tail

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """One second after the last line that `steps` writes."""
    monkeypatch.setattr("counterpoise.cli.commands.watch.time.time", lambda: NOW + 1)


@pytest.fixture
def run(tmp_path, run_file):
    """A run of 40 steps, without evaluations, that has not begun."""
    path = tmp_path / "runs" / "toy"
    path.mkdir(parents=True)
    config = load_config(run_file(), ["learner.steps=40", "run.name=toy"])
    (path / "config.toml").write_text(dump_config(config))
    return path


def steps(path, first, last, *, value=float, **more):
    """Lines of metrics whose reward is `value(step)`, 2 s each, the last of them at NOW."""
    lines = [
        {"step": s, "time": NOW - 2 * (last - s), "reward": value(s), "seconds": 2.0, **more}
        for s in range(first, last + 1)
    ]
    append_json_lines(path / "metrics.jsonl", lines, durable=False)


def event(path, kind, step, message, *, at=NOW):
    append_json_lines(
        path / "events.jsonl", [{"time": at, "kind": kind, "step": step, "message": message}], durable=False
    )


def evaluation(path, step, *, problems=16, n=8):
    directory = path / "evaluation" / f"step-{step:06d}"
    directory.mkdir(parents=True)
    curve = [{"k": 1, "estimate": 0.25}, {"k": 2, "estimate": 0.4}, {"k": n, "estimate": 0.75}]
    (directory / "passk.json").write_text(json.dumps({"n": n, "problems": problems, "curve": curve}))


def row(output, label):
    (line,) = [line for line in output.splitlines() if line.startswith(label)]
    return re.split(r"\s{2,}", line.rstrip())[1:]


def test_a_look_at_a_run_in_progress(command, run):
    steps(run, 1, 30, success_rate=0.5, groups_mixed=0.25, tokens_per_second=1234.5, gradient_norm=None)
    shown = command("watch", run, "--once")
    assert (shown.exit_code, shown.stderr) == (0, "")
    # 10 steps of 2 s are left.
    assert shown.stdout.splitlines()[0] == f"{run}: step 30 of 40, 2.0 s a step, 20.0 s left"
    # Rewards are 1 … 30: mean of 21 … 30 is 25.5, of 1 … 10 it is 5.5; over 20 columns the curve rises from end to end.
    assert row(shown.stdout, "reward")[:3] == ["+30.000", "+25.500", "+20.000"]
    curve = row(shown.stdout, "reward")[3]
    assert len(curve) == 20 and curve[0] == "▁" and curve[-1] == "█" and list(curve) == sorted(curve)
    assert row(shown.stdout, "success rate %") == ["50.0", "50.0", "+0.0", "▄" * 20]
    assert row(shown.stdout, "groups mixed %")[:3] == ["25.0", "25.0", "+0.0"]
    assert row(shown.stdout, "tokens/s")[0] == "1,234"
    assert row(shown.stdout, "gradient norm") == ["–"] * 3


def test_what_the_signs_really_weigh(command, run):
    steps(run, 1, 3, lambda_plus=1.0, lambda_minus=0.5)  # of a version that kept no more
    assert row(command("watch", run).stdout, "weight of right rollouts")[:2] == ["1.000", "1.000"]
    steps(run, 4, 4, lambda_plus=1.0, lambda_minus=0.5, weight_plus=0.1, weight_minus=0.5)
    # (3 + 0.1) / 4 = 0.775
    assert row(command("watch", run).stdout, "weight of right rollouts")[:2] == ["0.100", "0.775"]
    assert row(command("watch", run).stdout, "weight of wrong rollouts")[:2] == ["0.500", "0.500"]


def test_ten_steps_have_no_change_yet_and_eleven_have(command, run):
    steps(run, 1, 10)
    assert row(command("watch", run).stdout, "reward") == ["+10.000", "+5.500", "–", "▁▂▃▃▄▅▆▆▇█"]
    steps(run, 11, 11)
    # 2 … 11 against 1 … 10.
    assert row(command("watch", run).stdout, "reward")[:3] == ["+11.000", "+6.500", "+1.000"]


def test_undefined_values_are_left_out_of_the_mean(command, run):
    steps(run, 1, 4, value=lambda s: None if s % 2 else s)
    assert row(command("watch", run).stdout, "reward") == ["+4.000", "+3.000", "–", "▁ █"]


def test_a_run_before_its_first_step(command, run):
    shown = command("watch", run)
    assert shown.exit_code == 0
    assert shown.stdout == f"{run}: 40 steps\nwaiting for the first step\n"


def test_an_evaluation_under_way_is_said(command, run):
    (run / "evaluation" / "step-000000").mkdir(parents=True)
    assert command("watch", run).stdout.splitlines()[1] == "evaluating base"


def test_the_log_of_another_trainer(command, tmp_path):
    def checkpoint(step):
        path = tmp_path / "out" / f"checkpoint-{step}"
        path.mkdir(parents=True)
        history = [
            {"step": s, "reward": 0.1 * s, "step_time": 3.0, "credit/success_rate": 0.5} for s in range(1, step + 1)
        ]
        (path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
        os.utime(path / "trainer_state.json", (NOW, NOW))

    checkpoint(4)
    followed = FollowedRun(tmp_path / "out", ["reward"], log=find_engine_log(tmp_path / "out"))
    followed.refresh()
    assert (followed.step, followed.history.latest("reward")) == (4, 0.4)
    checkpoint(12)
    followed.refresh()
    assert (followed.step, followed.step_seconds, followed.alive_at) == (12, 3.0, NOW)
    said = command("watch", tmp_path / "out", "--once").stdout
    assert "out: step 12, 3.0 s a step" in said.replace("\n", "")
    assert "reward" in said and "success rate %" in said and "entropy" not in said


@pytest.mark.parametrize("named", ["", "nowhere"])
def test_what_is_no_run_is_refused(refused, tmp_path, named):
    refused("watch", tmp_path / named, says=f"{tmp_path / named} is not a run directory: it has no config.toml")


def test_resumed_steps_are_read_as_they_were_done_last(command, run):
    steps(run, 1, 17)
    steps(run, 13, 14, value=lambda s: 100.0)
    shown = command("watch", run).stdout
    assert "step 14 of 40" in shown
    # Last ten: 5 … 12 and twice 100: (68 + 200) / 10; first ten: 5.5.
    assert row(shown, "reward")[:3] == ["+100.000", "+26.800", "+21.300"]


def test_a_torn_last_line_waits_for_its_end(command, run):
    steps(run, 1, 3)
    with open(run / "metrics.jsonl", "a") as handle:
        handle.write('{"step": 4, "rew')
    shown = command("watch", run)
    assert "step 3 of 40" in shown.stdout
    assert shown.stderr == ""
    with open(run / "metrics.jsonl", "a") as handle:
        handle.write('ard": 9.0}\n')
    assert row(command("watch", run).stdout, "reward")[0] == "+9.000"


def test_damaged_lines_are_named_once_and_skipped(command, run):
    steps(run, 1, 2)
    with open(run / "metrics.jsonl", "a") as handle:
        handle.write('{"step": 3, "rew\n[1]\n{"reward": 1.0}\n\xff\n')
    steps(run, 3, 3)
    shown = command("watch", run)
    assert "step 3 of 40" in shown.stdout
    assert [shown.stderr.count(f"metrics.jsonl:{line}: ") for line in (3, 4, 5)] == [1, 1, 1]
    assert "a JSON list, not an object" in shown.stderr
    assert "a line of metrics without a step" in shown.stderr
    assert shown.stderr.splitlines()[-1] == "1 more could not be read"


def test_it_says_when_the_run_is_finished(command, run):
    steps(run, 1, 40)
    lines = command("watch", run).stdout.splitlines()
    assert lines[:2] == [f"{run}: step 40 of 40, 2.0 s a step", "finished"]


def test_a_run_is_not_finished_before_its_last_evaluation(command, run):
    steps(run, 1, 40)
    config = (run / "config.toml").read_text()
    assert config.count("after = false") == 1
    (run / "config.toml").write_text(config.replace("after = false", "after = true"))
    assert command("watch", run).stdout.splitlines()[1] == "all steps are done, the last evaluation is not"
    evaluation(run, 40)
    assert command("watch", run).stdout.splitlines()[1] == "finished"


def test_a_long_silence_is_said_with_the_way_on(command, run, monkeypatch):
    steps(run, 1, 5)
    for silence, said in ((10.0, False), (10.5, True)):  # five steps of 2 s
        monkeypatch.setattr("counterpoise.cli.commands.watch.time.time", lambda silence=silence: NOW + silence)
        shown = command("watch", run).stdout
        again = f"so it may have stopped; if it has, continue it with: counterpoise train {run}\n"
        assert (f"nothing was written for 10.5 s, {again}" in shown) == said


def test_rollouts_of_an_evaluation_are_a_sign_of_life(command, run, monkeypatch):
    steps(run, 1, 5)
    directory = run / "evaluation" / "step-000005"
    directory.mkdir(parents=True)
    (directory / "rollouts.jsonl").touch()
    os.utime(directory / "rollouts.jsonl", (NOW + 95, NOW + 95))
    monkeypatch.setattr("counterpoise.cli.commands.watch.time.time", lambda: NOW + 100)
    assert command("watch", run).stdout.splitlines()[1] == "evaluating step 5"


@pytest.mark.parametrize("kind", ["interrupted", "refused"])
def test_a_run_that_was_stopped_says_why_until_it_goes_on(command, run, kind):
    steps(run, 1, 5)
    event(run, kind, 5, "stopped by a signal", at=NOW + 0.5)
    lines = command("watch", run).stdout.splitlines()
    assert lines[0].endswith("2.0 s a step")
    assert lines[1] == f"{kind} at step 5 (stopped by a signal); continue it with: counterpoise train {run}"
    event(run, "said", 5, "resuming")
    assert f"{kind} at step 5 (" not in command("watch", run).stdout


def test_a_run_that_its_guards_stopped_says_so_in_their_words(command, run):
    steps(run, 1, 5)
    event(run, "guard_stopped", 5, "training stopped by its guards after step 5: …; start a new run", at=NOW + 0.5)
    said = command("watch", run).stdout.splitlines()[1]
    assert said == "training stopped by its guards after step 5: …; start a new run"


def test_evaluations_and_events_follow_the_table(command, run):
    steps(run, 1, 5)
    evaluation(run, 5)
    evaluation(run, 0)
    event(run, "said", 3, "[red]cut[/red]\x1b[2J\noff")
    *_, first, second, third = command("watch", run).stdout.splitlines()
    assert first == "evaluated base: pass@1 25.0%, pass@8 75.0% (16 problems x 8)"
    assert second == "evaluated step 5: pass@1 25.0%, pass@8 75.0% (16 problems x 8)"
    assert re.fullmatch(r"\d\d:\d\d:\d\d step 3: \[red\]cut\[/red\] \[2J off", third)


@pytest.mark.parametrize("when", [None, "soon", 1e300])
def test_an_event_without_a_time_is_shown_all_the_same(command, run, when):
    event(run, "said", 0, "hello", at=when)
    assert command("watch", run).stdout.splitlines()[-1] == "--:--:-- step 0: hello"


def test_a_damaged_evaluation_is_named(command, run):
    steps(run, 1, 5)
    evaluation(run, 0)
    (run / "evaluation" / "step-000000" / "passk.json").write_text('{"curve": []}')
    shown = command("watch", run)
    assert "no result of an evaluation" in shown.stderr
    assert "evaluated" not in shown.stdout


def test_lines_are_read_once_while_another_thread_appends(tmp_path):
    path = tmp_path / "metrics.jsonl"

    def write():
        with open(path, "ab", buffering=0) as handle:
            for step in range(1, 301):
                line = json.dumps({"step": step}).encode() + b"\n"
                handle.write(line[:5])  # torn, until the next write
                handle.write(line[5:])

    writer = threading.Thread(target=write)
    tail, seen, damages = Tail(path), [], []
    writer.start()
    while writer.is_alive():
        seen += tail.read(on_damage=damages.append)
    writer.join()
    seen += tail.read(on_damage=damages.append)
    assert [record["step"] for record in seen] == list(range(1, 301))
    assert damages == []
    assert list(tail.read(on_damage=damages.append)) == []


def test_a_run_that_was_begun_anew_is_read_anew(run):
    followed = FollowedRun(run, ["reward"])
    steps(run, 1, 20)
    followed.refresh()
    (run / "metrics.jsonl").unlink()
    followed.refresh()
    assert followed.step == 0
    steps(run, 1, 2)
    followed.refresh()
    assert (followed.step, followed.history.last("reward")) == (2, [1.0, 2.0])


def test_memory_is_bounded_and_the_curve_stays_the_mean_of_each_stretch():
    history = History(["x"])
    for step in range(1, 100_001):
        history.add(step, {"x": float(step)})
    assert len(history._older) <= 256 and len(history._recent) <= 256
    # 100,000 steps in 10 columns: means of 1 … 10,000, and so on, but for the width (512) of what is kept of older steps.
    assert history.curve("x", 10) == pytest.approx([10_000 * i + 5_000.5 for i in range(10)], abs=512)
    assert history.change("x") == 99_995.5 - 5.5


def test_going_back_takes_back_all_later_steps():
    plain, resumed = History(["x"]), History(["x"])
    for step in range(1, 601):
        plain.add(step, {"x": float(step)})
    for step in [*range(1, 501), *range(300, 601)]:
        resumed.add(step, {"x": float(step)})
    assert resumed.curve("x", 24) == plain.curve("x", 24)
    assert (resumed.step, resumed.last("x"), resumed.change("x")) == (600, plain.last("x"), plain.change("x"))


def test_going_back_into_the_first_steps_takes_them_back():
    history = History(["x"])
    for step, x in [*((s, 0.0) for s in range(1, 13)), *((s, 1.0) for s in range(6, 21))]:
        history.add(step, {"x": x})
    # First ten: five of 0 and five of 1.
    assert history.change("x") == 0.5


@pytest.mark.parametrize(
    ("values", "bars"),
    [([], ""), ([1.0], "▄"), ([2.0, 2.0], "▄▄"), ([0.0, 7.0, math.nan, 3.0], "▁█ ▄"), ([math.nan], " ")],
)
def test_sparklines(values, bars):
    assert _sparkline(values) == bars


class Terminal:
    """`counterpoise watch` in a terminal of its own."""

    def __init__(self, *arguments):
        self.ours, theirs = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", "LINES": "40"}
        code = "from counterpoise.cli.app import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "watch", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"COLUMNS": "160"},
            # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, wanted, *, seconds=60.0):
        until = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < until, self.text
            self.read()

    def read(self):
        if select.select([self.ours], [], [], 0.1)[0]:
            try:
                self.text += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:  # how Linux says that the other side has closed
                return False
        return True

    def ended(self, *, seconds=60.0):
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > until:
                self.process.kill()
            self.read()
        while select.select([self.ours], [], [], 0)[0] and self.read():
            pass
        os.close(self.ours)
        return self.process.returncode


@pytest.mark.parametrize("key", ["q", "ctrl-c"])
def test_on_a_terminal_it_follows_the_run_until_it_is_told_to_end(run, key):
    steps(run, 1, 3)
    terminal = Terminal(run)
    terminal.read_until("step 3 of 40")
    terminal.read_until("q ends this view")
    steps(run, 4, 4)
    terminal.read_until("step 4 of 40")
    if key == "q":
        os.write(terminal.ours, b"q")
    else:
        terminal.process.send_signal(signal.SIGINT)
    assert terminal.ended() == 0
    assert "Traceback" not in terminal.text and "error" not in terminal.text
    # The last look stays on the screen when the view is gone.
    assert "step 4 of 40" in terminal.text.split("\x1b[?1049l")[-1]


def test_once_does_not_wait_on_a_terminal(run):
    steps(run, 1, 3)
    terminal = Terminal(run, "--once")
    assert terminal.ended() == 0
    assert "step 3 of 40" in terminal.text and "\x1b[?1049h" not in terminal.text

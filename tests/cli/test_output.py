"""Printing ends no work, whatever happens to the streams; and no text of others commands the terminal."""

import errno
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from counterpoise.cli import app, console
from counterpoise.cli.output import Screen, Stream
from counterpoise.engines.local.observer import Unfailing
from counterpoise.errors import StoreError
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout
from counterpoise.runfile import quoted
from counterpoise.tasks.registry import make_task
from counterpoise.types import SamplingSettings, StopReason

# Clipboard, link, clear screen (7-bit and C1), bell, right-to-left override, rich markup and emoji codes.
PAYLOAD = "\x1b]52;c;ZXZpbA==\x07\x1b]8;;evil\x1b\\x\x1b]8;;\x1b\\\x1b[2J\x9b2J\x1bc\x07\u202e\x7f[bold]b[/bold][link=evil]l[/link]:skull:"
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[[0-9]*[AKG]|\x1b\[\?25[hl]|\r")


class Broken(io.StringIO):
    """A stream whose writes fail from the start."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        BrokenPipeError(errno.EPIPE, "gone"),
        OSError(errno.EIO, "lost"),
        ValueError("closed"),
    ],
)
def test_a_stream_that_fails_is_noted_once_and_then_silent(error):
    stream = Stream(Broken(error))
    assert stream.write("one") == 3
    first = stream.lost
    stream.stream.error = OSError(errno.EBADF, "another")
    stream.write("two")
    stream.flush()
    assert first is not None and stream.lost is first


def test_a_signal_in_the_middle_of_a_print_costs_one_line():
    stream = Stream(Broken(RuntimeError("reentrant call")))
    stream.write("x")
    assert stream.lost is None


def test_a_stream_that_was_closed_from_the_start_takes_nothing_and_says_so():
    stream = Stream(None)
    stream.write("x")
    assert stream.lost.errno == errno.EBADF and not stream.isatty()


def test_what_an_encoding_lacks_becomes_an_escape():
    raw = io.BytesIO()
    stream = Stream(io.TextIOWrapper(raw, encoding="ascii"))
    stream.write("λ = 0.1 ␛\n")
    stream.flush()
    assert raw.getvalue() == b"\\u03bb = 0.1 \\u241b\n"


def test_only_our_own_sequences_pass_and_only_where_there_is_a_terminal():
    for styled, kept in ((True, "\x1b[1;31mred\x1b[0m\r\x1b[2K"), (False, "␛[1;31mred␛[0m\r␛[2K")):
        target = io.StringIO()
        Stream(target, styled=styled).write("\x1b[1;31mred\x1b[0m\r\x1b[2K\x1b[2J\x1b]52;c;x\x07\u202e")
        assert target.getvalue() == kept + "␛[2J␛]52;c;x␇⟨U+202E⟩"


@pytest.mark.parametrize("make", [lambda: PAYLOAD, lambda: _table(), lambda: console.Text(PAYLOAD)])
def test_the_console_prints_text_as_text(make, monkeypatch):
    target = io.StringIO()
    monkeypatch.setattr(sys, "stdout", target)
    screen = Screen(stderr=False)
    screen.width = 200
    screen.print(make(), soft_wrap=True)
    seen = target.getvalue()
    assert "[bold]b[/bold][link=evil]l[/link]:skull:" in seen and "⟨U+009B⟩2J" in seen and "␛[2J" in seen
    assert not hidden(seen)


def _table():
    table = console.table("a", title="t")
    table.add_row(PAYLOAD)
    return table


def test_json_is_read_back_as_it_was(monkeypatch):
    target = io.StringIO()
    monkeypatch.setattr(sys, "stdout", target)
    console.print_json({"text": PAYLOAD + "\U000e0041 λ\u200d"})
    assert json.loads(target.getvalue()) == {"text": PAYLOAD + "\U000e0041 λ\u200d"}
    assert not hidden(target.getvalue())


def hidden(text):
    """Characters of a printed text that a terminal would obey or hide, our own sequences aside."""
    return [
        c for c in OURS.sub("", text) if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"
    ]


# Training.


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["counterpoise", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        app.main()
    return stop.value.code


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EPIPE])
@pytest.mark.parametrize("streams", [("stderr",), ("stdout", "stderr")])
def test_lost_output_does_not_end_a_training(run_file, tmp_path, monkeypatch, number, streams):
    for name in streams:
        monkeypatch.setattr(sys, name, Broken(OSError(number, os.strerror(number))))
    assert run_main(monkeypatch, "train", run_file()) == 0
    run = tmp_path / "runs" / "run"
    assert (run / "checkpoints" / "step-000004").is_dir()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [(event["kind"], event["message"]) for event in events if event["kind"] == "output_lost"] == [
        ("output_lost", f"output lost ({os.strerror(number)}); the run goes on without it")
    ]


def test_a_terminal_that_is_lost_during_a_training_does_not_end_it(run_file, tmp_path, monkeypatch):
    ours, theirs = pty.openpty()
    with suppress(OSError), open(theirs, "w") as terminal:  # closing it fails too
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(console, "stderr", Screen(stderr=True))
        os.close(ours)
        assert run_main(monkeypatch, "train", run_file()) == 0
    assert '"output_lost"' in (tmp_path / "runs" / "run" / "events.jsonl").read_text()


def test_an_event_that_cannot_be_noted_either_does_not_end_it():
    told = []

    class Gone:
        def said(self, line):
            told.append(line)
            raise OSError(28, "No space left on device")

    def lost(step, line):
        raise StoreError(f"cannot write events.jsonl: {line}")

    observer = Unfailing(Gone(), lost=lost)
    observer.said("x")
    observer.said("y")
    assert told == ["x"]


def test_an_observer_that_fails_in_another_way_is_not_silenced():
    class Wrong:
        def said(self, line):
            raise KeyError(line)

    with pytest.raises(KeyError):
        Unfailing(Wrong(), lost=print).said("x")


# Commands whose work is what they print.


@pytest.mark.parametrize(
    ("redirect", "code", "said"),
    [
        (">/dev/full", 1, "error: standard output cannot be written: No space left on device\n"),
        (">&-", 141, ""),
        ("| (exec 0<&-; sleep 0.1)", 141, ""),
    ],
)
def test_a_result_that_nobody_gets_is_said_or_ends_quietly(tmp_path, redirect, code, said):
    script = "import sys; sys.argv = ['counterpoise', 'tasks', 'list']; from counterpoise.cli.app import main; main()"
    shell = f'set -o pipefail; {sys.executable} -c "{script}" {redirect}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_no_memory_is_one_line_with_what_helps(command, monkeypatch, error, run_file):
    def fails(*arguments, **settings):
        raise error

    monkeypatch.setattr("counterpoise.engines.local.loop.assemble", fails)
    result = command("train", run_file())
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "out of memory; lower rollout.max_rows" in result.stderr and "learner.tokens_per_microbatch" in result.stderr


# Every command, on a disk full of payloads.


@pytest.fixture
def hostile(tmp_path, monkeypatch, command, run_file):
    """A directory whose every text and name is a payload; the commands that show them."""
    monkeypatch.chdir(tmp_path)
    name = PAYLOAD.replace("/", "-")
    questions = tmp_path / f"{name}.jsonl"
    rows = [{"question": f"{i}{PAYLOAD}", "answer": f"{PAYLOAD}{i}"} for i in range(3)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    responses = tmp_path / f"responses {name}.jsonl"
    responses.write_text(
        json.dumps({"prompt": PAYLOAD, "gold": PAYLOAD, "response": f"\\boxed{{{PAYLOAD}}}", PAYLOAD: 1})
        + "\n"
        + PAYLOAD
    )
    problems = make_task("jsonl", test=str(questions), verifier="exact").problems("test")
    manifest = Manifest(
        model=PAYLOAD,
        task="jsonl:test",
        template=PAYLOAD,
        settings=SamplingSettings(stop=(PAYLOAD,)),
        seed=0,
        weights=PAYLOAD,
    )
    directory = tmp_path / f"evaluation {name}"
    store = RolloutStore(directory, manifest)
    for problem in problems:
        text = f"{PAYLOAD} \\boxed{{{PAYLOAD}"
        draws = ({"problem_id": problem.problem_id, "sample": i, "text": f"{text}{i}}}"} for i in range(4))
        store.append([StoredRollout(seed=1, tokens=3, stop_reason=StopReason.EOS, **draw) for draw in draws])
    test = quoted("tasks.test", questions)
    assert run_main(monkeypatch, "grade", directory, test, "tasks.settings.verifier=exact") == 0
    path = directory / "passk.json"
    fields = json.loads(path.read_text())
    fields |= {"verifiers": {PAYLOAD: PAYLOAD}, "unscored_reasons": {PAYLOAD: 3}}
    path.write_text(json.dumps(fields))
    with open(store.rollouts_path, "a") as lines:
        lines.write(PAYLOAD)
    assert run_main(monkeypatch, "train", run_file(evaluation={"after": True})) == 0
    run = tmp_path / f"run {name}"
    (tmp_path / "runs" / "run").rename(run)
    for file in ("events.jsonl", "metrics.jsonl"):
        with open(run / file, "a") as lines:
            lines.write(
                json.dumps({"kind": PAYLOAD, "step": 4, "message": PAYLOAD, "time": 1.0, PAYLOAD: 2}) + f"\n{PAYLOAD}\n"
            )
    broken = tmp_path / f"broken {name}.toml"
    broken.write_text(f'"{PAYLOAD}" =')
    counts = tmp_path / f"counts {name}.jsonl"
    counts.write_text('{"id": "a", "n": 4, "c": 1}\n{"id": "b", "n": 4, "c": 2}\n')
    return [
        ("tasks", "show", "jsonl", f"test={questions}"),
        ("tasks", "selfcheck", "jsonl", f"test={questions}", "verifier=exact"),
        ("tasks", "show", PAYLOAD),
        ("tasks", "show", "jsonl", f"{PAYLOAD}=1"),
        ("grade", directory, test, "tasks.settings.verifier=exact", "--examples"),
        ("grade", directory, "--verifier", PAYLOAD, test),
        ("compare", directory, run),
        ("report", directory, run, "-o", f"page {name}.html"),
        ("export", directory, "-o", f"out {name}.jsonl"),
        ("import", responses, "--out", f"imported {name}"),
        ("merge", f"merged {name}", directory, run),
        ("verify", responses, "--verifier", "exact"),
        ("passk", counts),
        ("passk", responses),
        ("watch", run, "--once"),
        ("watch", PAYLOAD),
        ("train", broken),
        ("train", f"{PAYLOAD}.toml"),
        ("train", run, f"{PAYLOAD}=1"),
        ("study", broken),
        ("eval", run),
        ("eval", directory),
        ("eval", PAYLOAD),
        ("eval", "lab", "--task", PAYLOAD),
        ("explain", run, "--question", PAYLOAD),
        ("explain", PAYLOAD),
        ("advise", PAYLOAD),
        ("advise", broken),
        ("demo", f"{PAYLOAD}=1"),
        ("pretrain", PAYLOAD),
        ("doctor", f"--{PAYLOAD}"),
        (PAYLOAD,),
    ]  # fmt: skip


def test_no_command_sends_a_payload_to_a_pipe(hostile, monkeypatch, capfd):
    for arguments in hostile:
        capfd.readouterr()
        run_main(monkeypatch, *arguments)
        seen = "".join(capfd.readouterr())
        assert not hidden(seen) and "\x1b" not in seen, (arguments[:2], seen)
        assert "this is a bug" not in seen, (arguments[:2], seen)


def test_no_command_sends_a_payload_to_a_terminal(hostile, monkeypatch):
    ours, theirs = pty.openpty()
    seen = []

    def read():
        while True:
            try:
                seen.append(os.read(ours, 65536))
            except OSError:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with open(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        patch.setattr(console, "stdout", Screen(stderr=False))
        patch.setattr(console, "stderr", Screen(stderr=True))
        for arguments in hostile:
            run_main(patch, *arguments)
    os.close(ours) if reader.join(5) else None
    text = b"".join(seen).decode()
    assert "\x1b[1;31m" in text or "\x1b[1m" in text  # styled at all
    assert not hidden(text), sorted(set(hidden(text)))

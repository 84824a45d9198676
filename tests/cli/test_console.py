import os
import subprocess
import sys

import pytest

from counterpoise.cli import console
from counterpoise.cli.console import progress
from counterpoise.text import lasting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (125, "2:05 min"), (3725, "1:02:05 h"), (3599.6, "1:00:00 h")],
)
def test_durations_read_like_a_clock(seconds, text):
    assert lasting(seconds) == text


def test_without_a_terminal_progress_is_a_line_now_and_then_and_one_at_the_end(capsys, monkeypatch):
    # Updates at 1, 5, 11, 12 s after the start; a line every 10 s and at the end: 11 s and 12 s.
    clock = iter([100.0, 101.0, 105.0, 111.0, 112.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress("train", total=4) as update:
        for step, text in enumerate(["a", "b", "c", ""], start=1):
            update(step, text)
    # 3 of 4 in 11 s: 11 / 3 * 1 = 3.7 s left.
    assert capsys.readouterr().err == "train 3/4, 11.0 s elapsed, 3.7 s left: c\ntrain 4/4, 12.0 s elapsed\n"


def test_resumed_work_does_not_count_as_done_in_no_time(capsys, monkeypatch):
    # 10 s for the steps 91 and 92 of 100: 5 s each, 8 to go.
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress("train", total=100, initial=90) as update:
        update(92, "")
    assert capsys.readouterr().err == "train 92/100, 10.0 s elapsed, 40.0 s left\n"


def test_no_color_is_respected_even_on_a_forced_terminal():
    done = subprocess.run(
        [sys.executable, "-c", "from counterpoise.cli import console; console.error('x')"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1"},
    )
    # Bold is not a colour: 31 would be red.
    assert "31m" not in done.stderr and "error: " in done.stderr

"""The progress line of a run: what is read first comes first."""

import math

from counterpoise.cli import console
from counterpoise.cli.live import LiveObserver


def test_the_line_begins_with_success_and_missing_answers(monkeypatch, capsys):
    monkeypatch.setattr(console, "stderr", console._console(to_stderr=True))
    record = {
        "success_rate": 0.125,
        "no_answer_share": 0.31,
        "reward": -0.75,
        "entropy_sampled": 0.5,
        "polarity_share_tokens": 0.25,
        "tokens_per_second": 1234.0,
    }
    with LiveObserver() as observer:
        observer.started(path="runs/x", first_step=0, steps=1)
        observer.stepped(1, record)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith(": right 12.5%, no answer 31.0%, reward -0.750, entropy 0.500, rho 0.250, tokens/s 1,234")


def test_what_was_not_measured_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(console, "stderr", console._console(to_stderr=True))
    with LiveObserver() as observer:
        observer.started(path="runs/x", first_step=0, steps=1)
        observer.stepped(1, {"success_rate": math.nan, "reward": 1.0})
    assert capsys.readouterr().err.splitlines()[-1].endswith(": reward +1.000")

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


def _sample(verdict, text, **changes):
    return {
        "step": 5,
        "problem_id": f"p-{verdict}-{text[:3]}",
        "verdict": verdict,
        "reward": 1.0,
        "plus": [0.5, 0.25],
        "minus": 0.0,
        "answer": text,
        "stop_reason": "eos",
        "question": "1+1?",
        "gold": "2",
        "text": text,
    } | changes


def test_samples_are_a_right_and_a_wrong_one_shortened_and_harmless(monkeypatch, capsys):
    monkeypatch.setattr(console, "stderr", console._console(to_stderr=True))
    long = "a" * 5000
    samples = [_sample("wrong", "first\x1b[2J\u202e"), _sample("no_answer", long), _sample("correct", long)]
    with LiveObserver(samples=2) as observer:
        observer.started(path="runs/x", first_step=4, steps=9)
        observer.sampled(5, samples)
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\u202e" not in said and "␛[2J" in said
    heads = [line for line in said.splitlines() if line.startswith("step 5, ")]
    assert [line.split(": ")[1].split(" (")[0] for line in heads] == ["correct", "wrong"]
    assert f"{'a' * 200} … {'a' * 200}" in said and max(map(len, said.splitlines())) < 600
    with LiveObserver() as observer:
        observer.sampled(5, samples)
    assert capsys.readouterr().err == ""


def test_what_a_sample_lacks_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(console, "stderr", console._console(to_stderr=True))
    with LiveObserver(samples=5) as observer:
        observer.sampled(1, [{"step": 1}, _sample("unscored", "x", answer=None, plus=None)])
    assert "unscored (reward 1.0, credit +0.000 -0.000, ended by eos)" in capsys.readouterr().err

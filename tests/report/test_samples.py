import math

import pytest

from counterpoise.report import samples
from counterpoise.report.collect import read_runs
from counterpoise.report.samples import find_rollouts, kinds_of


def choose(path, **given):
    [run] = read_runs([str(path)])
    return find_rollouts(run, **given)


def of_kind(found, kind):
    return [rollout for rollout in found.rollouts if kind in kinds_of(rollout)]


def test_the_surest_of_each_kind_one_a_problem(make_run, disk):
    found = choose(
        make_run(
            "nsr",
            samples=[
                disk.sample(problem="p0", log_probs=[-0.3] * 3),
                disk.sample(problem="p0", log_probs=[-0.1] * 3, plus=0.5),
                disk.sample(problem="p1", log_probs=[-0.2] * 3),
                disk.sample(problem="p2", log_probs=[-0.4] * 3),
                disk.sample(problem="p3", verdict="wrong", reward=-1.0, minus=[0.0, 1.0, 0.5]),
                disk.sample(problem="p4", verdict="no_answer", reward=-2.0, log_probs=[-0.9] * 3),
                disk.sample(problem="p5", verdict="unscored", reward=None),
            ],
        ),
        count=2,
    )
    right, [wrong], [no_answer] = (of_kind(found, kind) for kind in ("right", "wrong", "no answer"))
    assert [(s.problem_id, s.mean_log_prob) for s in right] == [
        ("p0", pytest.approx(-0.1)),
        ("p1", pytest.approx(-0.2)),
    ]
    assert (wrong.problem_id, no_answer.problem_id) == ("p3", "p4")
    assert right[0].credit == (0.5, 0.5, 0.5) and wrong.credit == (0.0, -1.0, -0.5)
    # one of each kind in turn; what was not scored is not a kind
    assert [s.problem_id for s in found.rollouts] == ["p0", "p3", "p4", "p1"]
    assert "From samples.jsonl" in found.note


def test_late_rollouts_are_shown(make_run, disk):
    samples = [disk.sample(step=s, problem=f"p{s}", log_probs=[-s / 100] * 3) for s in (1, 40, 60, 80)]
    # 60 is three quarters of 80
    assert [s.step for s in choose(make_run("nsr", samples=samples)).rollouts] == [60, 80]


def test_lines_that_are_no_rollouts_are_counted(make_run, disk):
    bad = [
        disk.sample(tokens=("a",), log_probs=[-0.1, -0.2]),
        disk.sample(problem="p1", plus=[1.0]),
        disk.sample(problem="p2", minus="x"),
        {"step": 1},
        "torn",
    ]
    found = choose(make_run("nsr", samples=[disk.sample(), *bad]))
    assert len(found.rollouts) == 1 and "4 lines of these steps hold no rollout." in found.note
    assert "1 line could not be read, the first: " in found.note and "samples.jsonl:6: not JSON" in found.note


def test_without_samples_the_evaluation_is_shown_and_why_there_are_no_colours(make_run, disk):
    path = make_run("nsr", evaluations={9: disk.counts(1, 1, n=2)})
    disk.save_store(
        path / "evaluation" / "step-000009",
        [
            ("p0", 0, "sure", -0.1, "correct"),
            ("p0", 1, "surer, but wrong", -0.05, "wrong"),
            ("p1", 0, "unsure", -2.0, "correct"),
            ("p1", 1, "lost", None, "no_answer"),
        ],
    )
    found = choose(path)
    assert [s.text for s in of_kind(found, "right")] == ["sure", "unsure"]
    assert [(s.text, s.answer) for s in of_kind(found, "wrong")] == [("surer, but wrong", "surer, but wrong")]
    [lost] = of_kind(found, "no answer")
    assert (lost.text, lost.mean_log_prob, lost.tokens, lost.step, lost.evaluated) == ("lost", None, (), 9, True)
    assert found.note == (
        "The evaluation's rollouts have no token's probability and no credit, so no colours; the run has no samples.jsonl, which has both."
    )


def test_the_evaluation_follows_what_training_left(make_run, disk):
    path = make_run("nsr", samples=[disk.sample()], evaluations={9: disk.counts(1, n=2)})
    disk.save_store(path / "evaluation" / "step-000009", [("p0", 0, "sure", -0.1, "correct")])
    found = choose(path)
    assert [(s.text, s.evaluated) for s in found.rollouts] == [("2+3", False), ("sure", True)]
    assert found.note.startswith("From samples.jsonl") and found.note.endswith("so no colours.")


def test_of_each_kind_so_many_whatever_there_is(make_run, disk):
    samples = [disk.sample(problem=f"p{i}", verdict="wrong", stop_reason="length") for i in range(40)]
    path = make_run("nsr", samples=samples, evaluations={9: disk.counts(*[1] * 40, n=2)})
    stored = [(f"p{i}", s, f"{s}", -0.1 * s, "wrong") for i in range(40) for s in range(2)]
    disk.save_store(path / "evaluation" / "step-000009", stored)
    found = choose(path, count=5)
    # the same five are wrong and cut off in training; one a problem from the evaluation
    assert [s.evaluated for s in found.rollouts] == [False] * 5 + [True] * 5
    assert {s.text for s in found.rollouts[5:]} == {"0"} and len({s.problem_id for s in found.rollouts[5:]}) == 5
    assert len(of_kind(found, "cut off")) == 5


def test_what_is_no_number_cannot_be_coloured(make_run, disk):
    samples = [
        disk.sample(problem="p0", log_probs=[math.nan] * 3),
        disk.sample(problem="p1", plus=math.nan),
        disk.sample(problem="p2", log_probs=[-math.inf, 0.1, 0.0]),
    ]
    found = choose(make_run("nsr", samples=samples))
    assert [s.problem_id for s in found.rollouts] == ["p2"] and "2 lines of these steps hold no rollout" in found.note


def test_nothing_to_show(make_run, disk):
    assert choose(make_run("a")) is None
    assert choose(make_run("b", evaluations={9: disk.counts(1)})) is None


def test_few_texts_are_held_and_the_surest_found_all_the_same(make_run, disk, monkeypatch):
    # each problem's second response is surer, and those of the first problems come last of all
    values = {(i, s): -((i * 37) % 101) / 10 - (0 if s else 5) for i in range(60) for s in range(2)}
    ordered = sorted(values, key=lambda place: (place[1], -place[0]))
    path = make_run("nsr", evaluations={9: disk.counts(*[1] * 60, n=2)})
    stored = [(f"p{i}", s, f"{i} {s}", values[i, s], "wrong") for i, s in ordered]
    disk.save_store(path / "evaluation" / "step-000009", stored)
    held = []
    real = samples._surest_problems
    monkeypatch.setattr(samples, "_surest_problems", lambda kept, count: held.append(len(kept)) or real(kept, count))
    found = of_kind(choose(path, count=3), "wrong")
    best = sorted(range(60), key=lambda i: -values[i, 1])[:3]
    assert [s.text for s in found] == [f"{i} 1" for i in best]
    assert max(held) == 8 * 3 + 1

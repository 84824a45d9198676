import math

import pytest

from counterpoise.report.collect import read_runs
from counterpoise.report.samples import best_and_worst


def choose(path, **given):
    [run] = read_runs([str(path)])
    return best_and_worst(run, **given)


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
    assert [(s.problem_id, s.mean_log_prob) for s in found.best] == [
        ("p0", pytest.approx(-0.1)),
        ("p1", pytest.approx(-0.2)),
    ]
    # the lowest reward first, then the most probable
    assert [s.problem_id for s in found.worst] == ["p4", "p3"]
    assert found.best[0].credit == (0.5, 0.5, 0.5) and found.worst[1].credit == (0.0, -1.0, -0.5)
    assert "From samples.jsonl" in found.note


def test_late_rollouts_are_shown(make_run, disk):
    samples = [disk.sample(step=s, problem=f"p{s}", log_probs=[-s / 100] * 3) for s in (1, 40, 60, 80)]
    # 60 is three quarters of 80
    assert [s.step for s in choose(make_run("nsr", samples=samples)).best] == [60, 80]


def test_lines_that_are_no_rollouts_are_counted(make_run, disk):
    bad = [
        disk.sample(tokens=("a",), log_probs=[-0.1, -0.2]),
        disk.sample(problem="p1", plus=[1.0]),
        disk.sample(problem="p2", minus="x"),
        {"step": 1},
        "torn",
    ]
    found = choose(make_run("nsr", samples=[disk.sample(), *bad]))
    assert len(found.best) == 1 and "4 lines of these steps hold no rollout." in found.note
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
    assert [s.text for s in found.best] == ["sure", "unsure"]
    assert [(s.text, s.answer) for s in found.worst] == [("surer, but wrong", "surer, but wrong"), ("lost", "lost")]
    assert found.best[0].tokens == () and found.worst[1].mean_log_prob is None
    assert "tokens have no colours here: the run has no samples.jsonl" in found.note


def test_what_is_no_number_cannot_be_coloured(make_run, disk):
    samples = [
        disk.sample(problem="p0", log_probs=[math.nan] * 3),
        disk.sample(problem="p1", plus=math.nan),
        disk.sample(problem="p2", log_probs=[-math.inf, 0.1, 0.0]),
    ]
    found = choose(make_run("nsr", samples=samples))
    assert [s.problem_id for s in found.best] == ["p2"] and "2 lines of these steps hold no rollout" in found.note


def test_nothing_to_show(make_run, disk):
    assert choose(make_run("a")) is None
    assert choose(make_run("b", evaluations={9: disk.counts(1)})) is None

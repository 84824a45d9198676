import json
import os
from types import SimpleNamespace

import pytest

from counterpoise.errors import StoreError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.report.build import build_report
from counterpoise.report.collect import read_runs
from counterpoise.report.page import render_page
from counterpoise.report.series import DRAWN, MetricValues, read_series, thinned, width_drawn, with_stand_ins


def test_columns_follow_what_a_resume_took_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [
        {"step": 1, "time": 5.0, "a": 1},
        {"step": 2, "time": 6.0, "a": 2, "late": 7.5},
        {"step": 3, "a": "x"},
        {"step": 2, "time": 9.0, "a": True, "b": None},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_series(path, on_damage=lambda damage: pytest.fail(str(damage)))
    # Step 2 came again: 3 and the first 2 are gone, and with them the only value of `late`.
    assert (found.steps, found.columns, found.started, found.ended) == ((1, 2), {"a": (1.0, None)}, 5.0, 9.0)


def test_a_long_run_is_thinned_to_its_ends_and_means():
    # 5000 steps: 10 + 10 as they are; 4980 between over 1980 points at most: ceil(4980 / 1980) = 3 steps each, 1660 points.
    run = SimpleNamespace(
        steps=tuple(range(1, 5001)),
        columns={"a": MetricValues(float(i) for i in range(1, 5001)), "half": MetricValues([float("nan"), 2.0] * 2500)},
    )
    assert width_drawn(run) == 3
    steps, columns = thinned(run, ["a", "half", "absent"])
    assert len(steps) == 1680 <= DRAWN and list(columns) == ["a", "half"]
    assert [*steps[:12]] == [*range(1, 11), 12, 15] and [*steps[-11:]] == [4989, *range(4991, 5001)]
    assert columns["a"] == [float(step) for step in steps]  # the mean of i-1, i, i+1 is i
    assert columns["half"][:2] == [None, 2.0] and columns["half"][10] == 2.0  # steps 11 to 13: only 12 has a value
    run.steps = run.steps[:DRAWN]
    assert width_drawn(run) == 1 and thinned(run, ["a"])[0] == run.steps


def test_effective_weights_of_steps_that_were_made_too_early_are_the_controllers(make_run):
    # weighted_reinforce from its second step on with weights of its own: 0.1 and 1 times lambda
    lambdas = {"lambda_plus": 1.0, "lambda_minus": 0.5}
    mixed = [{"step": 1, **lambdas}, {"step": 2, **lambdas, "weight_plus": 0.1, "weight_minus": 0.5}]
    report = build_report([str(make_run("mixed", records=mixed)), str(make_run("old", records=mixed[:1]))])
    newer, older = map(with_stand_ins, report.runs)
    assert list(newer.columns["weight_plus"]) == [1.0, 0.1] and list(newer.columns["weight_minus"]) == [0.5, 0.5]
    assert list(older.columns["weight_plus"]) == [1.0] and "weight_plus" not in report.runs[1].columns
    assert '"columns":[["weight_plus","right rollouts"],["weight_minus","wrong rollouts"]]' in render_page(report)


def test_a_page_of_a_hundred_thousand_steps_is_bounded_and_says_so(make_run):
    steps = 100_000
    lines = [{"step": step, "reward": 0.5, "entropy_sampled": 1 / step} for step in range(1, steps + 1)]
    events = [{"kind": "guard", "step": step, "message": f"no. {step}"} for step in range(1, 5001)]
    short = make_run("short", records=lines[:DRAWN], events=events[:1000])
    long = make_run("long", records=lines, events=events)
    sizes = []
    for path in (short, long):
        report = build_report([str(path)])
        page = render_page(report)
        sizes.append(len(page))
    assert sizes[1] < 1.5 * sizes[0]
    # ceil((100000 - 20) / 1980) = 51
    assert "100000 steps are drawn as means of 51; metrics.jsonl and --csv hold every step" in page
    assert "the last 1000 of 5000 events are shown" in page and "no. 4000<" not in page and "no. 4001<" in page
    assert report.runs[0].columns["entropy_sampled"][-1] == 1e-5  # the tables have every step


def _pipe(path):
    os.mkfifo(path)


def _directory(path):
    path.mkdir()


@pytest.mark.parametrize("damage", [_pipe, _directory])
@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl"])
def test_what_is_no_file_is_said_and_waits_for_nobody(make_run, damage, name):
    path = make_run("a", records=[{"step": 1, "reward": 1.0}], events=[])
    (path / name).unlink(missing_ok=True)
    damage(path / name)
    [run] = read_runs([str(path)])
    assert any(f"cannot read {path / name}: " in note for note in run.notes)


def test_emptied_metrics_are_said(make_run):
    path = make_run("a", records=[{"step": 1, "reward": 1.0}])
    (path / "metrics.jsonl").write_text("")
    [run] = read_runs([str(path)])
    assert any("metrics.jsonl has no line of metrics, although it is there" in note for note in run.notes)


@pytest.mark.parametrize(
    "content", [b"\xff{}", b'{"a":' * 100_000, b"", b"null", b'{"schema": 1, "n": ' + b"9" * 400 + b"}"]
)
def test_a_damaged_evaluation_is_left_out_and_named(make_run, disk, content):
    path = make_run("a", records=[{"step": 1, "reward": 1.0}], evaluations={0: disk.counts(1, 2), 5: disk.counts(3, 4)})
    (path / "evaluation" / "step-000005" / "passk.json").write_bytes(content)
    [run] = read_runs([str(path)])
    assert [done.step for done in run.evaluations] == [0] and run.step == 0
    assert any("the evaluation of step 5 is left out: " in note and "\n" not in note for note in run.notes)


def test_a_number_too_large_costs_its_line_and_no_more(make_run):
    path = make_run("a", records=[{"step": 1, "reward": 1.0}, '{"step": 2, "reward": ' + "9" * 400 + "}"])
    [run] = read_runs([str(path)])
    assert run.steps == (1,)
    assert any("metrics.jsonl:2: an integer of 400 digits" in note for note in run.notes)


def test_a_pipe_in_place_of_a_result_is_named_without_numbers_of_errors(make_run, disk):
    path = make_run("a", evaluations={0: disk.counts(1, 2)}) / "evaluation" / "step-000000" / "passk.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(
        StoreError, match=r"^cannot read .*passk\.json: a named pipe, not a regular file; write .* first; "
    ):
        EvaluationResult.load(path.parent)

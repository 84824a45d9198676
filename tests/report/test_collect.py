import json
import math
import os

import pytest

from counterpoise.errors import DataError, UsageError
from counterpoise.report.collect import read_runs


def read(*paths):
    return read_runs([str(path) for path in paths])


def test_a_run_with_everything(make_run, disk):
    rows = disk.counts(4, 8)
    path = make_run(
        "nsr",
        records=[{"step": 1, "time": 10.0, "reward": 0.5}, {"step": 2, "time": 15.0, "reward": None, "rho": 1}],
        evaluations={0: rows, 2: rows},
        events=[{"time": 11.0, "kind": "guard", "step": 2, "message": "m"}],
        checkpoints=(2,),
    )
    [run] = read(path)
    assert (run.name, run.kind, run.steps, run.step, run.checkpoints) == ("nsr", "run", (1, 2), 2, (2,))
    assert run.columns == {"reward": (0.5, None), "rho": (None, 1.0)}
    assert [(e.kind, e.step) for e in run.events] == [("guard", 2)]
    assert [done.step for done in run.evaluations] == [0, 2]
    assert run.config["credit.rule"] == "nsr"
    assert (run.started, run.ended, run.notes) == (10.0, 15.0, ())


def test_a_run_that_has_nothing_but_its_configuration(make_run):
    [run] = read(make_run("empty"))
    assert (run.steps, run.columns, run.contender) == ((), {}, None)
    assert any("has not finished its first step" in note for note in run.notes)
    assert any("it has no evaluation yet" in note for note in run.notes)


def test_damaged_lines_are_named_and_the_rest_is_read(make_run):
    torn = json.dumps({"step": 2, "reward": 1.0})[:-7]
    path = make_run("killed", records=[{"step": 1, "reward": 0.5}, *["{"] * 6, torn], events=["nonsense"])
    [run] = read(path)
    assert run.columns == {"reward": (0.5,)}
    assert any("metrics.jsonl:2: not JSON" in note for note in run.notes)
    # 5 of the 7 damaged lines are named, the other 2 counted
    assert any("2 more lines cannot be read" in note for note in run.notes)
    assert any("events.jsonl:1" in note for note in run.notes)


def test_a_configuration_of_another_version_or_none_at_all_is_shown(make_run):
    path = make_run("old", config={"credit": {"rule": "psr", "gone": 1}})
    assert read(path)[0].config == {"credit.rule": "psr", "credit.gone": 1}
    (path / "config.toml").write_text("[credit\nrule = <b>")
    [run] = read(path)
    assert run.config == {} and run.config_text.startswith("[credit")
    assert any("is not valid TOML" in note for note in run.notes)


def test_an_evaluation_that_cannot_be_read_gives_way_to_the_one_before(make_run, disk):
    path = make_run("nsr", evaluations={0: disk.counts(1, 2), 5: disk.counts(3, 4)})
    (path / "evaluation" / "step-000005" / "passk.json").write_text("{")
    [run] = read(path)
    assert run.step == 0 and run.contender.counts == disk.counts(1, 2)
    assert any("evaluation of step 5 is left out" in note for note in run.notes)
    assert any("evaluation of step 0 is used instead" in note for note in run.notes)


def test_an_unfinished_evaluation_is_said(make_run, disk):
    path = make_run("nsr", evaluations={0: disk.counts(1, 2)})
    (path / "evaluation" / "step-000007").mkdir()
    [run] = read(path)
    assert any("evaluation of step 7 is unfinished" in note for note in run.notes)


def test_evaluations_and_files_of_counts(tmp_path, disk):
    evaluation = disk.save_evaluation(tmp_path / "theirs", disk.counts(1, 2))
    disk.lines(tmp_path / "counts.jsonl", [{"id": "a", "n": 4, "c": 2}])
    first, second = read(evaluation, tmp_path / "counts.jsonl")
    assert (first.name, first.kind, second.name, second.kind) == ("theirs", "evaluation", "counts", "counts")


def test_steps_of_one_run_get_names_of_their_own(make_run, disk):
    path = make_run("nsr", evaluations={0: disk.counts(1), 5: disk.counts(2)})
    assert [run.name for run in read(f"{path}@0", f"{path}@5")] == ["nsr@0", "nsr@5"]
    other = make_run("psr", evaluations={5: disk.counts(2)})
    # a base is not called as what became of it
    assert [run.name for run in read(f"{path}@0", f"{other}@5")] == ["nsr@0", "psr"]


@pytest.mark.parametrize(
    ("targets", "error", "says"),
    [
        ([], UsageError, "a report needs a run"),
        (["nowhere"], DataError, "nowhere does not exist"),
        (["RUN", "RUN"], UsageError, "is given twice"),
        (["RUN@3"], DataError, "the evaluation of step 3 of .* was not made"),
    ],
)
def test_mistakes(make_run, disk, targets, error, says):
    path = str(make_run("nsr", evaluations={0: disk.counts(1)}))
    with pytest.raises(error, match=says):
        read_runs([target.replace("RUN", path) for target in targets])


@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl", "evaluation/step-000005/passk.json"])
def test_a_named_pipe_in_place_of_a_file_is_named_and_never_waited_for(make_run, disk, name):
    path = make_run("pipe", records=[{"step": 1}], events=["{}"], evaluations={0: disk.counts(1), 5: disk.counts(3)})
    (path / name).unlink()
    os.mkfifo(path / name)
    [run] = read(path)
    assert any("a named pipe" in note or "unfinished" in note for note in run.notes)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a":' * 100_000, "nested more than 100 deep"),
        (b'{"schema": 1, "n": ' + b"9" * 400 + b"}", "an integer of 400 digits"),
        (b"[]", "a JSON list, not an object"),
        (b"null", "a JSON NoneType, not an object"),
    ],
)
def test_an_evaluation_that_is_damaged_in_any_way_is_left_out_with_the_reason(make_run, disk, raw, why):
    path = make_run("nsr", evaluations={0: disk.counts(1, 2), 5: disk.counts(3, 4)})
    (path / "evaluation" / "step-000005" / "passk.json").write_bytes(raw)
    [run] = read(path)
    assert [done.step for done in run.evaluations] == [0]
    assert any("the evaluation of step 5 is left out" in note and why in note for note in run.notes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": "4"}, "n is '4', not of type int"),
        ({"confidence": 3.0}, "confidence is 3.0"),
        ({"verifiers": {"toy": 1}}, "verifiers is {'toy': 1}"),
        ({"curve": [{"k": "1"}]}, "estimate"),
        ({"unscored_reasons": []}, "unscored_reasons is []"),
        ({"manifest": {"seed": math.nan}}, "NaN, which is not a number of JSON"),
        ({"truncation_rate": True}, "truncation_rate is True"),
    ],
)
def test_a_field_of_another_type_is_named(make_run, disk, changes, why):
    path = make_run("nsr", evaluations={0: disk.counts(1, 2), 5: disk.counts(3, 4)})
    file = path / "evaluation" / "step-000005" / "passk.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    [run] = read(path)
    assert any("the evaluation of step 5 is left out" in note and why in note for note in run.notes), run.notes

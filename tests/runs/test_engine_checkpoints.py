"""Which checkpoint of another engine's trainer is the newest whole one, where saves were killed at any of their steps."""

import json

import pytest

from counterpoise.errors import CheckpointError
from counterpoise.runs.engine_checkpoints import newest_of_trl, newest_of_verl, trl_fault


def trl(run, step, *, state='{"log_history": []}', credit="{}"):
    path = run / f"checkpoint-{step}"
    path.mkdir()
    for name, text in (("trainer_state.json", state), ("counterpoise.json", credit)):
        if text is not None:
            (path / name).write_text(text)
    return path


def test_what_a_killed_save_of_trls_has_left_is_passed_over_and_said(tmp_path):
    assert newest_of_trl(tmp_path).step is None and newest_of_trl(tmp_path / "none").step is None
    assert trl_fault(trl(tmp_path, 3)) is None
    trl(tmp_path, 12, state=None)
    trl(tmp_path, 11, state='{"log_history": [')
    trl(tmp_path, 4, credit=None)  # of plain GRPOTrainer
    trl(tmp_path, 5, state="[]")
    trl(tmp_path, 6, credit="{")
    trl(tmp_path, 7, credit="[]")
    (tmp_path / "checkpoint-99").write_text("a file")
    (tmp_path / "checkpoint-100-old").mkdir()
    (tmp_path / "checkpoint-13").mkdir()
    found = newest_of_trl(tmp_path)
    assert found.step == 3
    assert [one.partition(" ")[0] for one in found.left] == [f"checkpoint-{step}" for step in (13, 12, 11, 7, 6, 5, 4)]
    assert found.passed_over.startswith("not whole and left out: checkpoint-13 (it has no trainer_state.json), ")
    assert "checkpoint-11 (its trainer_state.json is not JSON" in found.passed_over
    assert (
        "checkpoint-7 (its counterpoise.json is no JSON object), checkpoint-6 (its counterpoise.json is not JSON"
        in (found.passed_over)
    )
    assert found.passed_over.endswith("checkpoint-4 (it has no counterpoise.json)")
    trl(tmp_path, 20, state=json.dumps({"log_history": [{"loss": float("nan")}]}))  # as transformers writes it
    assert (newest_of_trl(tmp_path).step, newest_of_trl(tmp_path).passed_over) == (20, None)


def verl(run, step, *, names=("actor/model.pt", "data.pt")):
    for name in names:
        path = run / f"global_step_{step}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_verls_newest_is_the_one_that_verl_has_named(tmp_path):
    verl(tmp_path, 9)  # whole, but killed before it was named: verl goes on from what is named
    assert newest_of_verl(tmp_path) is None
    verl(tmp_path, 7)
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("7\n")
    (tmp_path / "global_step_11").write_text("a file")
    assert newest_of_verl(tmp_path) == 7


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("", "holds '', not the number of a step"),
        ("seven", "holds 'seven', not the number of a step"),
        ("5", r"names step 5, and .*global_step_5 is no directory"),
        ("6", r"names step 6, and .*global_step_6 is no directory"),
        ("7", r"names step 7, and .*global_step_7 has no actor"),
        ("8", r"names step 8, and .*global_step_8 has no data.pt"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_verl_would_stumble_over_is_one_line(tmp_path, named, says):
    (tmp_path / "global_step_6").write_text("a file")
    verl(tmp_path, 7, names=("data.pt",))
    (tmp_path / "global_step_7" / "actor").mkdir()
    verl(tmp_path, 8, names=("actor/model.pt",))
    (tmp_path / "latest_checkpointed_iteration.txt").write_bytes(named if isinstance(named, bytes) else named.encode())
    with pytest.raises(CheckpointError, match=says) as found:
        newest_of_verl(tmp_path)
    assert str(found.value).endswith("into it, remove it to begin anew, or give another run.name")

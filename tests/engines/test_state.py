"""What is damaged in the state of rule and controller is one line where it is read, not an error of Python's after the first generation."""

import json

import pytest

from counterpoise.engines.outside import compose
from counterpoise.engines.state import read_state, write_state
from counterpoise.errors import CheckpointError

SAID = {"writer": "this trainer", "setting": "credit.", "afresh": "model=CHECKPOINT"}
CREDITS = ({"rule": "reinforce", "controller": "share"}, {"rule": "reinforce", "controller": "linear"}, "fade", "nsr")


def parts_of(credit):
    return compose(credit, engine="here", steps=4, length=8)


@pytest.mark.parametrize("credit", CREDITS)
def test_what_was_written_is_read(tmp_path, credit):
    parts = parts_of(credit)
    write_state(tmp_path, parts)
    assert read_state(tmp_path, parts.config.credit, **SAID) == json.loads(
        json.dumps({name: part.state_dict() for name, part in parts.step.states.items()})
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot read .*: not JSON"),
        ("{", "cannot read .*: not JSON"),
        (b"\xff\x00", "cannot read .*: not UTF-8: byte 0xff at place 1"),
        ("[" * 5000, "cannot read .*: not JSON: nested"),
        ("[]", "is damaged: it does not hold rule, controller and states"),
        ("null", "is damaged: it does not hold rule, controller and states"),
        ("{}", "is damaged: it does not hold rule, controller and states"),
        ('{"rule": "reinforce", "controller": "share"}', "is damaged: it does not hold rule, controller and states"),
        ('{"rule": "reinforce", "controller": "share", "states": null}', "is damaged: states is no JSON object"),
        ('{"rule": "reinforce", "controller": "share", "states": {}}', "damaged: the controller cannot go on from its"),
        (
            '{"rule": "reinforce", "controller": "share", "states": {"controller": {"taken": 1}}}',
            "counterpoise.json: .*share",
        ),
        ('{"rule": "reinforce", "controller": "share", "states": {"controller": []}}', "counterpoise.json"),
    ],
)
def test_what_is_damaged_is_one_line(tmp_path, text, says):
    (tmp_path / "counterpoise.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=says) as found:
        read_state(tmp_path, parts_of(CREDITS[0]).config.credit, **SAID)
    assert "\n" not in str(found.value) and str(tmp_path / "counterpoise.json") in str(found.value)


def test_values_that_no_controller_writes_are_met_when_they_are_read(tmp_path):
    parts = parts_of(CREDITS[0])
    write_state(tmp_path, parts)
    kept = json.loads((tmp_path / "counterpoise.json").read_text())
    for name, value in (("averages", 3), ("integral", "x"), ("first", [[1]]), ("plant", {})):
        broken = {**kept, "states": {"controller": {**kept["states"]["controller"], name: value}}}
        (tmp_path / "counterpoise.json").write_text(json.dumps(broken))
        with pytest.raises(
            CheckpointError, match=r"the controller cannot go on from its state .*; resume from another"
        ):
            read_state(tmp_path, parts.config.credit, **SAID)


def test_a_rule_with_a_past_finds_no_state_of_its_own(tmp_path):
    write_state(tmp_path, parts_of("fade"))
    kept = json.loads((tmp_path / "counterpoise.json").read_text())
    del kept["states"]["averages"]
    (tmp_path / "counterpoise.json").write_text(json.dumps(kept))
    with pytest.raises(CheckpointError, match=r"counterpoise.json: the checkpoint holds no averages of solve rate"):
        read_state(tmp_path, parts_of("fade").config.credit, **SAID)


def test_a_directory_in_its_place(tmp_path):
    (tmp_path / "counterpoise.json").mkdir()
    with pytest.raises(CheckpointError, match=r"cannot read .*counterpoise.json: Is a directory; resume from another"):
        read_state(tmp_path, parts_of("nsr").config.credit, **SAID)

import json
import os

import pytest

from counterpoise.errors import StoreError
from counterpoise.runs.anchors import load_anchors

WHOLE = {
    "problem_id": "p",
    "prompt_ids": [1, 2],
    "token_ids": [3],
    "mask": [True],
    "log_probs": [-0.5],
    "text": "t",
    "temperature": 1.0,
    "stop_reason": "eos",
}


def test_whole_anchors_are_read(tmp_path):
    (tmp_path / "anchors.jsonl").write_text(json.dumps(WHOLE) + "\n")
    assert [anchor.text for anchor in load_anchors(tmp_path / "anchors.jsonl")] == ["t"]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(WHOLE | {"prompt_ids": [10**19]}).encode(),  # beyond 63 bits, within 64
        json.dumps(WHOLE | {"prompt_ids": [10**30]}).encode(),
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"{}",
    ],
)
def test_damaged_anchors_are_named(tmp_path, content):
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"anchors\.jsonl is damaged \(.*delete it, and the run goes on") as error:
        load_anchors(path)
    assert "\n" not in str(error.value)


def test_a_pipe_in_place_of_anchors_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "anchors.jsonl")
    with pytest.raises(StoreError, match="a named pipe"):
        load_anchors(tmp_path / "anchors.jsonl")

import json

import pytest

from counterpoise.errors import StoreError
from counterpoise.runs.records import read_metrics


@pytest.fixture
def read(tmp_path):
    def make(*lines):
        path = tmp_path / "metrics.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        damages = []
        return read_metrics(path, on_damage=damages.append), [str(damage) for damage in damages]

    return make


def test_a_step_done_again_takes_back_what_came_after_it(read):
    lines = [{"step": step, "reward": 0.1 * step} for step in (1, 2, 3, 4)]
    records, _ = read(*lines, {"step": 3, "reward": 9.0})
    assert [(r["step"], r["reward"]) for r in records] == [(1, 0.1), (2, 0.2), (3, 9.0)]


def test_damaged_lines_are_named_and_the_rest_is_read(read):
    records, damages = read({"step": 1}, '{"step": 2, "rew', {"step": "x"}, {"step": 3})
    assert [r["step"] for r in records] == [1, 3]
    assert "metrics.jsonl:2: not JSON" in damages[0]
    assert "metrics.jsonl:3: a line of metrics with step 'x'" in damages[1]


def test_a_run_without_a_step(tmp_path):
    with pytest.raises(StoreError, match="has not finished its first step"):
        read_metrics(tmp_path / "metrics.jsonl", on_damage=lambda damage: None)

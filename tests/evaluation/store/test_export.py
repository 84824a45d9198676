import json

import pytest

from counterpoise.errors import DataError, StoreError, UsageError
from counterpoise.evaluation.store.export import export
from counterpoise.evaluation.store.golds import KeptProblem, append_problems
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout
from counterpoise.types import StopReason


def rollout(sample, text, **more):
    fields = {"problem_id": "p", "sample": sample, "seed": 0, "text": text, "tokens": 3, "stop_reason": StopReason.EOS}
    return StoredRollout(**fields | more)


@pytest.fixture
def store(tmp_path, fake):
    return RolloutStore(tmp_path / "e", fake.manifest())


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(path):
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize(("suffix", "read"), [("jsonl", lines), ("parquet", table)])
def test_a_row_for_each_rollout_with_nulls_for_the_unknown(store, tmp_path, suffix, read):
    store.append([rollout(0, "a", policy_version=7), rollout(1, "ü", tokens=None, stop_reason=None, in_thought=True)])
    kept = KeptProblem(problem_id="p", task_type="t", question="q", gold="g", verifier="math")
    append_problems(store.directory, [kept])
    target = tmp_path / f"out.{suffix}"
    assert export(store.directory, target).rollouts == 2
    known = {"problem_id": "p", "prompt": "q", "gold": "g", "score": None, "verdict": None}
    assert read(target) == [
        known | {"sample": 0, "response": "a", "tokens": 3, "stop_reason": "eos", "step": 7, "in_thought": False},
        known | {"sample": 1, "response": "ü", "tokens": None, "stop_reason": None, "step": 0, "in_thought": True},
    ]


def test_verdicts_are_those_of_the_verifiers_in_the_result(tmp_path, fake):
    """Wrong is 0, right 1; unscored is null, and its verdict says so."""
    fake.run(tmp_path / "e", fake.make_problems(4), 8)
    export(tmp_path / "e", tmp_path / "out.jsonl")
    rows = lines(tmp_path / "out.jsonl")
    assert len(rows) == 32
    scores = {row["verdict"]: row["score"] for row in rows}
    assert scores == {"correct": 1, "wrong": 0}
    assert all(row["response"].startswith("right") == (row["score"] == 1) for row in rows)
    counts = lines(tmp_path / "e" / "problems.jsonl")
    assert sum(row["score"] for row in rows) == sum(count["c"] for count in counts)


def test_what_cannot_be_exported(store, tmp_path):
    with pytest.raises(UsageError, match=r"out\.csv ends in neither \.jsonl nor \.parquet"):
        export(store.directory, tmp_path / "out.csv")
    for suffix in ("jsonl", "parquet"):
        with pytest.raises(DataError, match="holds no rollouts, so there is nothing to export"):
            export(store.directory, tmp_path / f"out.{suffix}")
        assert not (tmp_path / f"out.{suffix}").exists()
    with pytest.raises(StoreError, match="holds no rollout store"):
        export(tmp_path / "none", tmp_path / "out.jsonl")
    store.append([rollout(0, "a")])
    (store.directory / "passk.json").write_text("{")
    with pytest.raises(StoreError, match=r"cannot read .*passk\.json: .*; grade the evaluation again"):
        export(store.directory, tmp_path / "out.jsonl")


def test_what_is_left_out_is_said(tmp_path, fake):
    fake.run(tmp_path / "e", fake.make_problems(4), 8)
    store = RolloutStore(tmp_path / "e")
    whole = export(tmp_path / "e", tmp_path / "out.jsonl")
    assert (whole.rollouts, whole.notes) == (32, ())
    rollouts = store.rollouts_path.read_bytes().splitlines(keepends=True)
    store.rollouts_path.write_bytes(b"".join([rollouts[0][:9] + b"\n", *rollouts[1:]]))
    [verdicts] = (tmp_path / "e").glob("verdicts-*.jsonl")
    verdicts.unlink()
    done = export(tmp_path / "e", tmp_path / "out.jsonl")
    assert done.rollouts == 31 and {row["verdict"] for row in lines(tmp_path / "out.jsonl")} == {None}
    assert [note.split(": ")[0] for note in done.notes] == [
        f"{verdicts} is missing, so what it judged has no verdict; grade the evaluation again",
        f"{store.rollouts_path}:1",
    ]
    (tmp_path / "e" / "passk.json").unlink()
    assert "passk.json is missing, so no rollout has a verdict" in export(tmp_path / "e", tmp_path / "o.jsonl").notes[0]

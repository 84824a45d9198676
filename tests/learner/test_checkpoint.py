import errno
import json
import os
import random
import signal
import time

import pytest
import torch

from counterpoise.errors import CheckpointError, StoreError
from counterpoise.learner.checkpoint import CheckpointStore, Score


def _policy(value):
    return lambda path: (path / "weights.bin").write_bytes(bytes([value]) * 1000) and None


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(tmp_path, said):
    return CheckpointStore(tmp_path / "checkpoints", keep=2, say=said.append)


def _save(store, *steps, scores=None, name="success_rate", lower=False):
    for i, step in enumerate(steps):
        score = Score(name=name, value=scores[i], lower=lower) if scores else None
        store.save(step, write_policy=_policy(step), state={"step": step}, score=score)


def _steps(tmp_path):
    return sorted(p.name for p in (tmp_path / "checkpoints").iterdir() if p.is_dir())


def test_what_was_saved_is_loaded(store):
    store.save(5, write_policy=_policy(5), state={"step": 5, "moment": torch.arange(3.0)})
    latest = store.latest()
    assert latest.step == 5
    assert torch.equal(latest.state()["moment"], torch.arange(3.0))
    assert (latest.policy / "weights.bin").read_bytes() == b"\x05" * 1000


def test_the_newest_and_the_best_are_kept(store, tmp_path):
    _save(store, 1, 2, 3, 4, scores=[0.1, 0.9, 0.5, float("nan")])
    assert _steps(tmp_path) == ["step-000002", "step-000003", "step-000004"]
    assert store.best().step == 2
    _save(store, 5, scores=[0.95])
    assert _steps(tmp_path) == ["step-000004", "step-000005"]


def test_where_low_is_better_the_lowest_is_kept(store, tmp_path):
    _save(store, 1, 2, 3, 4, scores=[0.5, -0.2, float("nan"), 0.1], name="loss", lower=True)
    assert store.best().step == 2
    assert _steps(tmp_path) == ["step-000002", "step-000003", "step-000004"]
    _save(store, 5, scores=[-0.3], name="loss", lower=True)
    assert store.best().step == 5


def test_scores_of_different_columns_are_not_compared(store):
    # 0.9 of success is no better than a coverage of 0.4; what is asked for now begins anew
    _save(store, 1, scores=[0.9])
    _save(store, 2, 3, scores=[0.4, 0.3], name="coverage")
    assert store.best().step == 2


def test_a_best_one_of_an_earlier_version_is_compared_as_before(store, tmp_path):
    _save(store, 1, 2)
    (tmp_path / "checkpoints" / "best.json").write_text('{"step": 1, "score": 0.7}')
    _save(store, 3, scores=[0.6])
    assert store.best().step == 1
    _save(store, 4, scores=[0.8])
    assert store.best().step == 4


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda p: os.truncate(p / "policy" / "weights.bin", 400), "weights.bin has 400 bytes instead of 1000"),
        (lambda p: (p / "policy" / "weights.bin").write_bytes(b"\0" * 1000), "weights.bin does not match its hash"),
        (lambda p: (p / "state.pt").unlink(), "state.pt is missing"),
        (lambda p: (p / "manifest.json").write_text('{"fil'), "no readable manifest"),
    ],
)
def test_a_damaged_checkpoint_is_logged_and_the_one_before_it_used(store, tmp_path, said, harm, reason):
    _save(store, 1, 2)
    harm(tmp_path / "checkpoints" / "step-000002")
    assert store.latest().step == 1
    assert len(said) == 1
    assert reason in said[0]
    assert "trying the one before it" in said[0]
    assert "step-000002.damaged" in _steps(tmp_path)


def test_an_absent_step_lists_those_there_are(store):
    _save(store, 3)
    with pytest.raises(CheckpointError, match=r"absent.*steps there: 3"):
        store.at(7)


def test_no_checkpoint_is_none(store):
    assert store.latest() is None
    assert store.best() is None


def test_a_full_disk_leaves_earlier_checkpoints_intact(store, tmp_path):
    _save(store, 1)

    def full(_path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="no space left on the device; free some and resume"):
        store.save(2, write_policy=full, state={})
    assert _steps(tmp_path) == ["step-000001"]
    assert store.latest().step == 1


_WRITER = """
import sys
from pathlib import Path
import torch  # now, and not in the first save, which the kill would then always hit
from counterpoise.learner.checkpoint import CheckpointStore, Score
store = CheckpointStore(Path(sys.argv[1]), keep=2, say=lambda line: print(line, file=sys.stderr))
latest = store.latest()
step = latest.step if latest else 0
print("ready", flush=True)
while True:
    step += 1
    store.save(step, write_policy=lambda p: [(p / f"w{i}.bin").write_bytes(bytes([step % 256]) * 20000) for i in range(3)] and None,
               state={"step": step}, score=Score(name="reward", value=float(step % 7)))
    print(step, flush=True)
"""


@pytest.mark.slow
def test_kill_at_random_moments_never_loses_a_checkpoint(tmp_path, python):
    directory, writer = tmp_path / "checkpoints", tmp_path / "writer.py"
    writer.write_text(_WRITER)
    said = []
    rng = random.Random(0)
    reported = 0
    for _ in range(6):
        process = python(writer, directory)
        while not process.stdout.startswith("ready\n"):
            assert process.poll() is None, process.stderr
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.25))
        process.kill()
        assert process.wait().returncode == -signal.SIGKILL
        assert "damaged" not in process.stderr
        # What stands behind the last end of a line was cut off by the kill.
        done = [int(line) for line in process.stdout.split("\n")[:-1] if line.isdigit()]
        reported = max([reported, *done])
        latest = CheckpointStore(directory, keep=2, say=said.append).latest()
        step = latest.step if latest else 0
        # a save that returned is never lost; the one in flight may or may not have been sealed
        assert step >= reported
        if latest:
            assert latest.state() == {"step": step}
            assert (latest.policy / "w0.bin").read_bytes() == bytes([step % 256]) * 20000
        reported = step
    assert reported > 0
    assert said == []


# A manifest of every wrong shape: each is damage that is named, and never an exception that stops the fall-back.
_SEAL = {"bytes": 1000, "sha256": "0" * 64}
_WHOLE = {"state.pt": _SEAL, "policy/weights.bin": _SEAL}


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"7",
        b"NaN",
        b"{}",
        b'{"files": null}',
        b'{"files": 3}',
        b'{"files": [1]}',
        b'{"files": {}}',
        b"[" * 100_000,
        b'{"files": ' + b"[" * 100_000,
        b'{"files": ' + b"9" * 5_000 + b"}",
        *(
            json.dumps({"files": {**_WHOLE, "policy/weights.bin": seal}}).encode()
            for seal in (
                None,
                7,
                1.5,
                "text",
                [],
                {},
                {"bytes": None, "sha256": "0"},
                {"bytes": 1000, "sha256": 7},
                {"bytes": "1000", "sha256": "0" * 64},
                {"bytes": True, "sha256": None},
                {"bytes": 1000},
            )
        ),
        json.dumps({"files": {**_WHOLE, "policy/a\0b": _SEAL}}).encode(),
        json.dumps({"files": {**_WHOLE, "policy/" + "x" * 5_000: _SEAL}}).encode(),
        json.dumps({"files": {**_WHOLE, "policy/\ud800": _SEAL}}).encode(),
        json.dumps({"files": {"state.pt": _SEAL}}).encode(),
        json.dumps({"files": {"policy/weights.bin": _SEAL}}).encode(),
        json.dumps({"files": {"state.pt": _SEAL, "policy/config.json": _SEAL}}).encode(),
        json.dumps({"files": {"state.pt.old": _SEAL, "policy/weights.bin": _SEAL}}).encode(),
    ],
)
def test_no_manifest_keeps_the_older_checkpoint_from_being_used(store, tmp_path, said, manifest):
    _save(store, 1, 2)
    (tmp_path / "checkpoints" / "step-000002" / "manifest.json").write_bytes(manifest)
    assert store.latest().step == 1
    assert len(said) == 1
    assert "trying the one before it" in said[0]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path), lambda path: None])
def test_a_manifest_that_is_no_file_is_damage(store, tmp_path, make):
    _save(store, 1, 2)
    manifest = tmp_path / "checkpoints" / "step-000002" / "manifest.json"
    manifest.unlink()
    make(manifest)
    assert store.latest().step == 1


def test_a_damaged_checkpoint_that_cannot_be_set_aside_is_passed_over(store, said, monkeypatch):
    def refuse(*paths):
        raise OSError(30, "Read-only file system")

    _save(store, 1, 2)
    (store._directory / "step-000002" / "manifest.json").write_text("null")
    monkeypatch.setattr(os, "replace", refuse)
    assert store.latest().step == 1
    assert "it could not be set aside (Read-only file system), trying the one before it" in said[0]


@pytest.mark.parametrize(
    "best", ["null", "[]", '{"step": 1e999, "score": 1}', '{"step": {}, "score": 1}', "[" * 100_000]
)
def test_a_damaged_note_of_the_best_is_none(store, tmp_path, best):
    _save(store, 1)
    (tmp_path / "checkpoints" / "best.json").write_text(best)
    assert store.best() is None
    _save(store, 2, scores=[0.5])
    assert store.best().step == 2


def test_texts_stand_beside_the_state_and_are_sealed_too(store, tmp_path, said):
    for step in (1, 2):
        store.save(step, write_policy=_policy(step), state={"step": step}, texts={"config.toml": "[run]\n"})
    file = tmp_path / "checkpoints" / "step-000002" / "config.toml"
    assert file.read_text() == "[run]\n"
    file.write_text("[ran]\n")
    assert store.latest().step == 1
    assert "config.toml does not match its hash" in said[0]

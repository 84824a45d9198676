import errno
import json
import os
import shutil
import subprocess
from dataclasses import asdict, replace

import numpy as np
import pytest

from counterpoise.errors import StoreError
from counterpoise.evaluation.store.merge import HeldDraws
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout, StoredVerdict, same_draws, same_model
from counterpoise.types import SamplingSettings, StopReason, Verdict, VerdictValue


def line(problem="a", sample=0, text="t"):
    return StoredRollout(problem_id=problem, sample=sample, seed=1, text=text, tokens=3, stop_reason=StopReason.EOS)


def verdict(problem="a", sample=0, version="1", value=VerdictValue.CORRECT):
    judged = Verdict(
        value=value, answer="3", basis="r/s", seconds=0.5, verifier="toy", version=version, parts={"tests": 0.5}
    )
    return StoredVerdict(problem_id=problem, sample=sample, verdict=judged)


@pytest.fixture
def store(tmp_path, fake):
    return RolloutStore(tmp_path / "store", fake.manifest())


def reopened(store):
    return RolloutStore(store.directory)


def test_what_is_written_is_read(store):
    lines = [line(sample=i, text=text) for i, text in enumerate(["", "é\n“x”\u2028", '{"a":1}'])]
    assert store.append(lines) == 3
    assert list(reopened(store).rollouts()) == lines


def test_rollout_keeps_mean_log_prob_of_chosen_tokens(fake):
    [[rollout]] = fake.FakeSampler().sample(
        fake.make_prompts(fake.make_problems(1)), group_size=1, settings=fake.SETTINGS, seed=0
    )
    half = replace(
        rollout,
        token_ids=np.arange(2),
        mask=np.array([True, False]),
        log_probs=np.array([-1, -9], dtype=np.float32),
        text="x\ud800",
    )
    stored = StoredRollout.of(half, sample=4, seed=9)
    assert (stored.mean_log_prob, stored.tokens, stored.sample, stored.seed, stored.text) == (-1.0, 2, 4, 9, "x?")
    assert StoredRollout.of(replace(half, mask=np.zeros(2, dtype=bool)), sample=0, seed=0).mean_log_prob is None


def test_verdicts_are_kept_by_verifier_and_version(store):
    store.append_verdicts([verdict(), verdict(sample=1), verdict(version="2/b", value=VerdictValue.WRONG)])
    assert [v.sample for v in store.verdicts("toy", "1")] == [0, 1]
    assert list(store.verdicts("toy", "2/b")) == [verdict(version="2/b", value=VerdictValue.WRONG)]
    assert sorted(p.name for p in store.directory.glob("verdicts*")) == [
        "verdicts-toy-1.jsonl",
        "verdicts-toy-2_b.jsonl",
    ]
    assert store.graded("toy", "1").has("a", 1)
    assert not store.graded("toy", "3").has("a", 1)


def test_missing_names_the_gaps(store):
    store.append([line("a", 0), line("a", 2), line("b", 0), line("b", 1), line("b", 2), line("b", 7)])
    assert reopened(store).missing(["a", "b", "c"], 3) == {"a": [1], "c": [0, 1, 2]}


def test_the_same_draw_counts_once(store):
    assert store.append([line(text="first"), line(text="again")]) == 1
    assert store.append([line(text="third")]) == 0
    with open(store.rollouts_path, "a") as handle:
        handle.write(json.dumps(asdict(line(text="copied by hand"))) + "\n")
    again = reopened(store)
    assert [r.text for r in again.rollouts()] == ["first"]
    assert again.duplicates == 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ('{"problem_id":"b","sam', "not JSON"),
        ("[1]", "a JSON list, not an object"),
        ('{"problem_id":"b"}', "fields missing or wrong: KeyError: 'sample'"),
        (
            json.dumps(asdict(line("b", -1))),
            "fields missing or wrong: ValueError: sample must be an index in 0..1048575, got -1",
        ),
        (json.dumps(asdict(line("b")) | {"stop_reason": "bored"}), "'bored' is not a valid StopReason"),
        (json.dumps(asdict(line("b")) | {"text": None}), "expected text, got None"),
    ],
)
def test_a_damaged_line_is_named_kept_and_skipped(store, damage, reason):
    store.append([line("a")])
    with open(store.rollouts_path, "a") as handle:
        handle.write(damage + "\n")
    store.append([line("c")])
    again = reopened(store)
    assert again.missing(["a", "b", "c"], 1) == {"b": [0]}
    assert [r.problem_id for r in again.rollouts()] == ["a", "c"]  # a second pass does not report the line twice
    [found] = again.damages
    assert (found.path, found.line) == (store.rollouts_path, 2)
    assert reason in found.reason
    assert damage in store.rollouts_path.read_text()


def test_a_torn_last_line_does_not_swallow_the_next(store):
    store.append([line("a"), line("b")])
    whole = store.rollouts_path.read_bytes()
    store.rollouts_path.write_bytes(whole[:-20])
    again = reopened(store)
    assert again.append([line("b"), line("c")]) == 2
    assert [r.problem_id for r in reopened(store).rollouts()] == ["a", "b", "c"]


def test_another_evaluation_is_refused_with_the_keys_that_differ(store, fake):
    other = fake.manifest(model="n", settings=SamplingSettings(temperature=1.0, top_p=0.95, max_tokens=8))
    with pytest.raises(StoreError) as error:
        RolloutStore(store.directory, other)
    assert str(error.value) == (
        f"{store.directory} holds an evaluation of something else: model is 'm' there and 'n' here; settings.temperature is 0.6 there "
        "and 1.0 here. Evaluate into another directory (--out DIR), or ask for the same to resume it"
    )


def test_the_same_evaluation_reopens(store, fake):
    stops = fake.manifest(settings=SamplingSettings(stop=("\n", "é")), weights="abc")
    first = RolloutStore(store.directory / "other", stops)
    assert "with_entropy" not in first.manifest.to_json()["settings"]  # no part of what was drawn
    assert RolloutStore(first.directory, stops).manifest == RolloutStore(first.directory).manifest == stops


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no rollout store: there is no manifest.json in it"),
        ("{", "manifest.json: not JSON: Expecting property name"),
        ('{"schema": 9}', "has schema 9; this version reads 1"),
        ('{"schema": 1}', r"is not a store manifest \('settings'\)"),
        ('{"schema": 1, "settings": {"stop": [], "heat": 1}}', "is not a store manifest .*heat"),
    ],
)
def test_an_unusable_manifest_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=message):
        RolloutStore(tmp_path)


def test_rollouts_without_a_manifest_are_not_adopted(tmp_path, fake):
    (tmp_path / "rollouts.jsonl").write_text("")
    with pytest.raises(StoreError, match=r"holds rollouts.jsonl but no manifest.json"):
        RolloutStore(tmp_path, fake.manifest())


def test_a_full_disk_leaves_the_earlier_lines(store, monkeypatch):
    store.append([line("a")])
    before = store.rollouts_path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(StoreError, match="no space left on the device; free some and run the same"),
    ):
        patch.setattr(os, "fsync", full)
        store.append([line("b")])
    assert store.rollouts_path.read_bytes() == before
    assert store.append([line("b")]) == 1  # what failed was not noted as stored


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a small file system"
)
def test_a_really_full_disk_leaves_the_earlier_lines(tmp_path, fake):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = RolloutStore(tmp_path, fake.manifest())
        with pytest.raises(StoreError, match="no space left on the device"):
            for sample in range(100):
                store.append([line("a", sample, "x" * 3000)])
        stored = [r.sample for r in reopened(store).rollouts()]
        assert stored == list(range(len(stored)))
        assert 10 < len(stored) < 100
        assert reopened(store).damages == ()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_memory_does_not_hold_the_texts(store):
    import tracemalloc

    for start in range(0, 400, 100):
        store.append([line(sample=start + i, text="x" * 20_000) for i in range(100)])  # 8 MB in all
    tracemalloc.start()
    again = reopened(store)
    assert again.missing(["a"], 400) == {}
    assert sum(r.tokens for r in again.rollouts()) == 1200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("m", "m", True),
        ("models/q", "/data/models/q", True),  # a run of an earlier version, continued from another directory
        ("q", "/data/models/q", True),
        ("models/p", "/data/models/q", False),
        ("odels/q", "/data/models/q", False),
        ("/old/models/q", "/new/models/q", True),
        ("/old/models/q", "/new/models/p", False),
        ("/a/run/checkpoints/step-000001/policy", "/b/run/checkpoints/step-000001/policy", True),
        ("/a/run/checkpoints/step-000001/policy", "/a/run/checkpoints/step-000002/policy", False),
        ("/a/one/checkpoints/step-000001/policy", "/a/two/checkpoints/step-000001/policy", False),
        ("org/q", "other/q", False),
        ("lab", "/models/lab", False),
        ("lab:weak", "/models/lab:weak", False),
    ],
)
def test_a_model_s_directory_may_have_moved(one, other, same):
    assert same_model(one, other) is same
    assert same_model(other, one) is same


def test_two_directories_that_are_both_there_are_two_models(tmp_path, monkeypatch):
    for place in ("a/models/q", "b/models/q"):
        (tmp_path / place).mkdir(parents=True)
    assert not same_model(str(tmp_path / "a/models/q"), str(tmp_path / "b/models/q"))
    monkeypatch.chdir(tmp_path / "a")
    assert same_model("models/q", str(tmp_path / "a/models/q"))
    assert not same_model("models/q", str(tmp_path / "b/models/q"))


def test_a_store_goes_on_where_the_model_was_moved_and_not_with_another(tmp_path, fake):
    RolloutStore(tmp_path / "store", fake.manifest(model="models/q"))
    RolloutStore(tmp_path / "store", fake.manifest(model="/elsewhere/models/q"))
    with pytest.raises(StoreError, match="model is 'models/q' there and '/elsewhere/models/p' here"):
        RolloutStore(tmp_path / "store", fake.manifest(model="/elsewhere/models/p"))
    with pytest.raises(StoreError, match="seed is "):
        RolloutStore(tmp_path / "store", fake.manifest(model="/elsewhere/models/q", seed=99))


def test_the_weights_of_a_step_are_its_own_wherever_the_base_is(fake):
    one, other = (fake.manifest(model=model, weights="run step 3") for model in ("/a/base", "/b/moved"))
    assert same_draws(one, other)
    assert not same_draws(one, fake.manifest(model="/b/moved", weights="run step 4"))
    assert not same_draws(replace(one, weights=None), replace(other, weights=None))


@pytest.mark.parametrize(
    ("value", "parts", "read"),
    [
        ("no_answer", {"abstained": 1.0, "f1": 0.0}, "abstained"),
        ("no_answer", {"abstained": 0.0}, "no_answer"),
        ("no_answer", {}, "no_answer"),
        ("abstained", {}, "abstained"),
        ("wrong", {"abstained": 1.0}, "wrong"),
    ],
)
def test_verdicts_from_before_abstained_was_a_value(value, parts, read):
    stored = {"problem_id": "a", "sample": 0, "value": value, "answer": None, "rule": "r/r", "seconds": 0.0}
    stored |= {"verifier": "qa", "version": "1", "reason": None, "parts": parts}
    assert StoredVerdict.from_json(stored).verdict.value == read


def test_a_line_is_written_with_all_its_fields():
    stored = replace(line(), mean_log_prob=-0.5, in_thought=True, policy_version=3)
    assert stored.to_json() == asdict(stored)


def test_what_was_read_to_its_end_is_not_read_again(store, monkeypatch):
    store.append([line("a", 0), line("a", 4), line("b", 1)])
    again, reads = reopened(store), []
    real = again._stream
    monkeypatch.setattr(again, "_stream", lambda *given: reads.append(given[0]) or real(*given))
    assert next(again.rollouts()).sample == 0
    assert len(list(again.rollouts())) == 3
    # a look at the first line alone has said nothing of the others
    assert again.holds("a", 4) and not again.holds("b", 0) and again.drawn() == {"a": 5, "b": 2}
    assert len(reads) == 2


def test_what_waits_is_counted_from_the_bits(store):
    store.append([line("a", 0), line("a", 4), line("b", 1), line("c", 0)])
    store.append_verdicts([verdict("a", 0), verdict("b", 1), verdict("d", 0)])
    judged = store.graded("toy", "1")
    assert store.waiting(["a", "b"], 5, judged) == 1
    assert store.waiting(["a", "b"], 4, judged) == 0
    assert store.waiting(["a", "b", "c", "d", "none"], 8, judged) == 2


def test_draws_that_were_moved_are_found_where_they_are(store):
    held = HeldDraws(store)
    assert [held.place("a", 0, 7), held.place("a", 1, 7), held.place("a", 0, 8), held.place("a", 0, 7)] == [
        0,
        1,
        2,
        None,
    ]
    assert [held.found("a", 0, 7), held.found("a", 0, 8), held.found("a", 1, 8), held.found("b", 0, 7)] == [
        0,
        2,
        None,
        None,
    ]
    store.append([replace(line("a", 0), seed=7), replace(line("a", 1), seed=7)])
    assert HeldDraws(reopened(store)).found("a", 1, 7) == 1

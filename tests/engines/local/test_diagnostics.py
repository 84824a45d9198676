"""What a run measures beside training: the same weights with and without it, and the same numbers after a resume."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.engines.local.loop import train
from counterpoise.errors import StoreError, UsageError
from counterpoise.files import append_json_lines
from counterpoise.runs.anchors import load_anchors
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics, read_samples

PROBED = {
    "log_prob_change_correct", "log_prob_change_wrong", "log_prob_change_anchor", "anchor_kl", "gradient_norm_plus",
    "gradient_norm_minus", "gradient_cosine",
}  # fmt: skip
_MIXED = (
    "tasks.name=jsonl",
    'tasks.settings={task_type_field = "task_type", verifier = "exact"}',
    "prompt.template=plain",
    "rollout.prompts_per_step=8",
    "diagnostics.rollouts=4",
)
CLOCKS = {"time", "peak_memory_gib"}


def _records(run):
    records = read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))
    timed = lambda name: name in CLOCKS or name.startswith(("seconds", "tokens_per_second"))  # noqa: E731
    return [{name: value for name, value in record.items() if not timed(name)} for record in records]


def _samples(run):
    return read_samples(run.samples, on_damage=lambda damage: pytest.fail(str(damage)))


def _weights(run, step):
    return load_file(run.checkpoints / f"step-{step:06d}" / "policy" / "model.safetensors")


@pytest.fixture
def every_two(configure):
    def make(*overrides, name="run"):
        return configure("diagnostics.every=2", "diagnostics.samples_every=2", *overrides, name=name)

    return make


def test_measuring_changes_no_weight(configure, every_two):
    measured, plain = RunDirectory.create(every_two(name="measured")), RunDirectory.create(
        configure("diagnostics.every=0", "diagnostics.samples_every=0", name="plain")
    )  # fmt: skip
    train(measured)
    train(plain)
    one, other = _weights(measured, 4), _weights(plain, 4)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not plain.anchors.exists()
    assert not plain.samples.exists()
    common = [{name: record[name] for name in record.keys() - PROBED} for record in _records(measured)]
    assert common == _records(plain)


def test_looks_are_taken_from_the_first_step_on(every_two):
    run = RunDirectory.create(every_two("credit.rule=nsr"))
    train(run)
    looked = [record["step"] for record in _records(run) if PROBED & record.keys()]
    assert looked == [1, 3]
    assert {sample["step"] for sample in _samples(run)} == {1, 3}
    for record in _records(run):
        assert record["tokens_trained_plus"] == 0
        assert record["tokens_trained_minus"] == record["tokens_trained"]
        assert record["tokens_saved_correct"] + record["tokens_saved_wrong"] == record["tokens_saved"]
        assert record["surprisal_p50"] <= record["surprisal_p90"] <= record["surprisal_p99"]
        assert record["ratio_plus_max"] is None


def test_nsr_lowers_the_wrong_and_the_base_is_its_own_anchor(every_two):
    run = RunDirectory.create(every_two("credit.rule=nsr", "learner.minibatch=none", "learner.steps=1"))
    train(run)
    (record,) = _records(run)
    assert record["log_prob_change_wrong"] < 0
    # before the first update the policy is the base, so what the anchors lost is their divergence from it
    assert record["anchor_kl"] == pytest.approx(-record["log_prob_change_anchor"], abs=1e-6)


def test_a_resumed_run_measures_the_same(every_two):
    whole, parts = RunDirectory.create(every_two(name="whole")), RunDirectory.create(every_two(name="parts"))
    train(whole)
    train(RunDirectory(parts.path, every_two("learner.steps=2", name="parts")))
    anchors = parts.anchors.read_bytes()
    train(RunDirectory.open(parts.path, ["learner.steps=4"]))
    assert parts.anchors.read_bytes() == anchors == whole.anchors.read_bytes()
    assert _records(parts) == _records(whole)
    assert _samples(parts) == _samples(whole)


def test_anchors_are_the_base_on_held_out_problems(every_two):
    run = RunDirectory.create(every_two("evaluation.after=true", "diagnostics.rollouts=3", "learner.steps=1"))
    train(run)
    anchors = load_anchors(run.anchors)
    assert len(anchors) == 3
    tested = {json.loads(line)["id"] for line in (run.evaluation(1) / "problems.jsonl").read_text().splitlines()}
    assert {anchor.problem_id for anchor in anchors} <= tested
    assert all(len(anchor.token_ids) == len(anchor.log_probs) == anchor.mask.sum() for anchor in anchors)


def test_a_run_whose_anchors_are_gone_goes_on_without_them(every_two):
    run = RunDirectory.create(every_two("learner.steps=2"))
    train(run)
    run.anchors.unlink()
    train(RunDirectory.open(run.path, ["learner.steps=3"]))
    assert "anchors.jsonl is missing" in (run.path / "events.jsonl").read_text()
    last = _records(run)[-1]
    assert last["anchor_kl"] is last["log_prob_change_anchor"] is None
    assert last["log_prob_change_wrong"] is not None
    run.anchors.write_text('{"problem_id": "p"}\n')
    with pytest.raises(StoreError, match=r"anchors.jsonl is damaged \(KeyError: 'prompt_ids'\); delete it"):
        train(RunDirectory.open(run.path, ["learner.steps=4"]))


def test_how_often_is_checked_and_may_change_on_resume(every_two):
    with pytest.raises(UsageError, match=r"diagnostics.every.*greater than or equal to 0"):
        every_two("diagnostics.every=-1")
    run = RunDirectory.create(every_two("learner.steps=1"))
    train(run)
    train(RunDirectory.open(run.path, ["learner.steps=2", "diagnostics.every=1"]))
    assert [bool(PROBED & record.keys()) for record in _records(run)] == [True, True]


def test_samples_are_read_as_they_were_drawn_last(tmp_path):
    path = tmp_path / "samples.jsonl"
    assert read_samples(path, on_damage=pytest.fail) == []

    def draw(step, *texts, mark):
        append_json_lines(path, [{"step": step, "problem_id": "p", "text": text, "mark": mark} for text in texts])

    draw(1, "a", "b", mark=1)
    draw(2, "c", mark=1)
    draw(3, "d", mark=1)
    # resumed after step 1, killed while step 2 is written; resumed again
    draw(2, "c", "e", mark=2)
    draw(2, "c", "e", mark=3)
    with path.open("ab") as handle:
        handle.write(b'{"step":3,"problem')
    damages = []
    samples = read_samples(path, on_damage=damages.append)
    assert [(s["step"], s["text"], s["mark"]) for s in samples] == [
        (1, "a", 1), (1, "b", 1), (2, "c", 3), (2, "e", 3),
    ]  # fmt: skip
    assert [damage.line for damage in damages] == [9]
    # the run goes on: the torn line is closed and stays the only damage
    draw(3, "f", mark=4)
    assert read_samples(path, on_damage=lambda damage: None)[-1]["mark"] == 4


def test_samples_of_500_steps_stay_small(configure):
    run = RunDirectory.create(configure("learner.steps=1", "rollout.max_tokens=20"))
    train(run)
    lines = run.samples.read_bytes().splitlines()
    assert 1 <= len(lines) <= 5
    every = run.config.diagnostics.samples_every
    # 20 looks x 5 lines x 1.2 kB
    assert max(map(len, lines)) * 5 * math.ceil(500 / every) < 200_000


def test_a_run_of_two_task_types_records_both(every_two, tmp_path):
    files = {}
    for split in ("train", "test"):
        rows = [{"question": f"{split} {i}?", "answer": str(i), "task_type": ("even", "odd")[i % 2]} for i in range(40)]
        files[split] = tmp_path / f"{split}.jsonl"
        files[split].write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = (f"tasks.train={files['train']}", f"tasks.test={files['test']}")
    moving = ("credit.rule=hinge", "credit.settings={threshold='ema'}")  # has a threshold of its own for each type
    run = RunDirectory.create(every_two(*sources, *_MIXED, *moving, "learner.steps=1"))
    train(run)
    (record,) = _records(run)
    document = (Path(__file__).parents[3] / "docs" / "engines.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)/TYPE`", document))
    assert "success_rate" in documented
    documented -= {"prior_mean", "prior_strength"}  # of rule area alone
    assert {name for name in record if "/" in name} == {
        f"{name}/{kind}" for name in documented for kind in ("even", "odd")
    }

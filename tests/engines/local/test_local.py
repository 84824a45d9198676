import json
import math
import os
import random
import re
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.build.problems import problems_of
from counterpoise.engines.local import ready
from counterpoise.engines.local.interrupt import RunInterruptedError
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.observer import Silent
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.runfile import dump_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Verdict, VerdictValue


def _weights(run, step):
    return load_file(run.checkpoints / f"step-{step:06d}" / "policy" / "model.safetensors")


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


RULES = ["psr", "nsr", "weighted_reinforce", "reinforce", "grpo", "rloo", "dr_grpo", "maxrl"]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_trains_and_moves_only_with_credit(configure, rule):
    run = RunDirectory.create(configure(f"credit.rule={rule}", "learner.steps=2", "tasks.settings.largest=4"))
    result = train(run)
    records = _metrics(run)
    assert [record["step"] for record in records] == [1, 2]
    moved = sum(record["optimiser_steps"] for record in records)
    before = load_file(f"{run.config.model.name}/model.safetensors")
    after = _weights(run, 2)
    assert (moved == 0) == all(torch.equal(before[name].float(), after[name]) for name in before)
    for record in records:
        signed = record["plus"] + record["minus"]
        assert record["tokens_trained"] > 0 or signed == 0
        assert record["tokens_trained"] + record["tokens_saved"] == record["tokens_sampled"]
    assert result.checkpoint.step == 2


def test_nsr_pushes_down_only_and_psr_up_only(configure):
    for rule, share in (("nsr", 0.0), ("psr", 1.0)):
        run = RunDirectory.create(configure(f"credit.rule={rule}", "learner.steps=3", name=rule))
        train(run)
        shares = {record["polarity_share_tokens"] for record in _metrics(run)} - {None}
        assert shares <= {share}


@pytest.mark.parametrize(
    "extra",
    [
        [],
        ["learner.epochs=2", "loss.kl=0.01", "loss.entropy=0.001", "learner.schedule=cosine", "learner.warmup_steps=2"],
        ["model.lora.rank=2", "model.lora.alpha=4"],
        ["credit.filter=none", "loss.denominator=constant", "loss.name=gspo"],
    ],
)
def test_resume_is_bit_exact(configure, extra, stop_after):
    whole = RunDirectory.create(configure(*extra, name="whole"))
    train(whole)
    parts = RunDirectory.create(configure(*extra, "learner.steps=2", "learner.warmup_steps=0", name="parts"))
    # the horizon of a decaying schedule is part of the run, so it is set before the first step
    (parts.path / "config.toml").write_text(dump_config(configure(*extra, name="parts")))
    stopped = RunDirectory.open(parts.path)
    with pytest.raises(RunInterruptedError, match=r"stopped after step 2, saved; continue with: counterpoise train"):
        train(stopped, observer=stop_after(2))
    train(RunDirectory.open(parts.path))
    name = "adapter_model.safetensors" if "model.lora.rank=2" in extra else "model.safetensors"
    one, other = (load_file(run.checkpoints / "step-000004" / "policy" / name) for run in (whole, parts))
    assert _equal(one, other)
    exact = ("reward", "entropy", "loss", "gradient_norm", "learning_rate")
    pick = lambda run: [[record[name] for name in exact] for record in _metrics(run)]  # noqa: E731
    assert pick(whole) == pick(parts)


def test_a_finished_run_trains_further_as_if_it_had_never_stopped(configure):
    whole = RunDirectory.create(configure(name="whole"))
    train(whole)
    short = RunDirectory.create(configure("learner.steps=2", name="short"))
    train(short)
    train(RunDirectory.open(short.path, ["learner.steps=4"]))
    assert _equal(_weights(whole, 4), _weights(short, 4))
    rollout, problems = whole.config.rollout, len(problems_of(whole.config).train)
    for run in (whole, short):  # how often each problem was seen, the steps before the pause included
        passes = [record["step"] * rollout.prompts_per_step / problems for record in _metrics(run)]
        assert [record["epochs"] for record in _metrics(run)] == passes and len(passes) == 4
        assert [record["rollouts_per_problem"] for record in _metrics(run)] == [
            one * rollout.group_size for one in passes
        ]


@pytest.mark.slow
def test_kill_at_random_moments_loses_nothing_already_written(configure, python):
    settings = ("learner.steps=8", "evaluation.every=3", "evaluation.after=true")
    whole = RunDirectory.create(configure(*settings, name="whole"))
    train(whole)
    killed = RunDirectory.create(configure(*settings, name="killed"))
    rng, seen, kills = random.Random(1), set(), 0
    for attempt in range(40):
        process = python("counterpoise", "train", killed.path, module="counterpoise")
        # dies somewhere between its first metric line of this attempt and a little later: in a step, a save, an evaluation
        deadline, lines = time.monotonic() + 60, _lines(killed)
        while process.poll() is None and time.monotonic() < deadline and _lines(killed) == lines and attempt < 5:
            time.sleep(0.01)
        if attempt < 5:
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
        kills += process.wait().returncode == -signal.SIGKILL
        assert "Traceback" not in process.stderr
        steps = {record["step"] for record in _metrics_of(killed)}
        # What was logged after the newest checkpoint is taken back by the attempt that goes on from there.
        saved = max((int(path.name[5:]) for path in killed.checkpoints.glob("step-??????")), default=0)
        assert {step for step in seen if step <= saved} <= steps
        seen = steps
        if process.returncode == 0:
            break
    assert kills >= 2
    assert seen == set(range(1, 9))
    assert _equal(_weights(whole, 8), _weights(killed, 8))
    for step in (3, 6, 8):
        one, other = (EvaluationResult.load(run.evaluation(step)) for run in (whole, killed))
        assert one.counts == other.counts
        assert other.duplicates == 0


def _lines(run):
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def _metrics_of(run):
    return read_metrics(run.metrics, on_damage=lambda damage: None) if run.metrics.exists() else []


def test_a_truncated_checkpoint_is_logged_and_the_one_before_it_used(configure):
    run = RunDirectory.create(configure())
    train(run)
    before = {name: weight.clone() for name, weight in _weights(run, 4).items()}  # the file is mapped into memory
    os.truncate(run.checkpoints / "step-000004" / "policy" / "model.safetensors", 100)
    lines = []

    class Hear(Silent):
        def said(self, line):
            lines.append(line)

    train(RunDirectory.open(run.path), observer=Hear())
    assert "step-000004 is damaged (policy/model.safetensors has 100 bytes" in lines[0]
    assert "resuming" in lines[1]
    assert "after step 2 of 4" in lines[1]
    assert _equal(before, _weights(run, 4))


def test_a_loss_that_is_not_finite_is_refused_and_the_batch_kept(configure, poison_loss):
    run = RunDirectory.create(configure("loss.name=reinforce", "learner.minibatch=none", "diagnostics.every=0"))
    poison_loss(3)
    with pytest.raises(
        TrainingError,
        match=r"training step 3: .*refused.*loss nan.*batch is saved in .*step-000003.pt.*last good checkpoint is .*step-000002",
    ):
        train(run)
    assert [record["step"] for record in _metrics(run)] == [1, 2]
    batch = torch.load(run.refused(3), weights_only=True)
    assert len(batch["texts"]) == len(batch["plus"]) == len(batch["rows"]) > 0
    assert "refused" in (run.path / "events.jsonl").read_text()


def test_a_step_whose_rollouts_are_all_unscored_stops_the_run(configure, judge_with):
    def unscored(self, problems, responses, truncated=None):
        return [
            Verdict(
                value=VerdictValue.UNSCORED,
                answer=None,
                basis="-",
                seconds=0.0,
                verifier="v",
                version="1",
                reason="timeout",
            )
            for _ in problems
        ]

    judge_with(unscored)
    run = RunDirectory.create(configure())
    with pytest.raises(TrainingError, match=r"16 of 16 rollouts could not be scored \(timeout: 16\).*tasks selfcheck"):
        train(run)
    assert not run.metrics.exists()


def test_evaluation_before_and_after_and_more_of_it_later(configure):
    from counterpoise.jobs.evaluate import evaluate_run

    run = RunDirectory.create(configure("evaluation.before=true", "evaluation.after=true", "learner.steps=1"))
    result = train(run)
    assert [len(r.counts) for r in (result.base, result.final)] == [4, 4]
    assert all(problem.n == 4 for problem in result.base.counts)
    step, more = evaluate_run(RunDirectory.read(run.path, ["evaluation.n=8"]))
    assert step == 1
    assert all(problem.n == 8 for problem in more.counts)
    assert json.loads((run.evaluation(1) / "passk.json").read_text())["n"] == 8
    assert len((run.evaluation(1) / "rollouts.jsonl").read_text().splitlines()) == 4 * 8


def test_a_run_is_not_started_over_nor_changed_into_another(configure):
    run = RunDirectory.create(configure())
    with pytest.raises(UsageError, match=r"already holds a run; continue it with: counterpoise train .*run.name="):
        RunDirectory.create(configure())
    with pytest.raises(UsageError, match=r"credit.rule cannot change when a run is continued"):
        RunDirectory.open(run.path, ["credit.rule=nsr"])
    with pytest.raises(UsageError, match="is not a run directory"):
        RunDirectory.open(run.path.parent)
    with run.locked(), pytest.raises(UsageError, match="in use by another process"), run.locked():
        pass


def test_responses_that_are_cut_off_are_spoken_of_once(configure):
    lines = []

    class Hear(Silent):
        def said(self, line):
            lines.append(line)

    train(RunDirectory.create(configure("rollout.max_tokens=1", "learner.steps=2")), observer=Hear())
    (line,) = [line for line in lines if "responses of step" in line]
    assert re.match(
        r"\d+% of the responses of step 1 were cut off at rollout.max_tokens=1 .*verification.truncated=unscored", line
    )


def test_low_precision_weights_are_refused_before_the_model_is_read(configure, monkeypatch):
    monkeypatch.setattr(ready, "load_policy", lambda *_, **__: pytest.fail("the model was read"))
    with pytest.raises(
        ConfigError,
        match=r"model.dtype=bfloat16 with full fine-tuning would round most updates away.*model.lora.rank=16",
    ):
        train(RunDirectory.create(configure("model.dtype=bfloat16")))


def test_the_sampler_and_the_learner_agree_on_every_step(configure):
    run = RunDirectory.create(configure("learner.minibatch=none"))
    train(run)
    gaps = [record["sampler_gap_max"] for record in _metrics(run)]
    assert all(gap < 1e-5 for gap in gaps if gap is not None and not math.isnan(gap))
    assert any(gap is not None for gap in gaps)

"""What would waste a night is said before it begins; what ends a run in its middle costs no finished step."""

import json
import re

import pytest
import torch

from counterpoise.engines.local import assemble, precision, ready
from counterpoise.engines.local import loop as local
from counterpoise.engines.local.loop import train
from counterpoise.engines.local.observer import Silent
from counterpoise.engines.local.precision import cpu_flags, slow_precision
from counterpoise.errors import ConfigError, DataError, TrainingError, VerifierError
from counterpoise.jobs.advise import advise
from counterpoise.jobs.evaluate import evaluate_model
from counterpoise.learner.checkpoint import CheckpointStore
from counterpoise.rollouts.scripted import ScriptedSampler
from counterpoise.runs.directory import RunDirectory
from counterpoise.tasks.shared.splits import content_id


class Hear(Silent):
    def __init__(self):
        self.lines, self.labels = [], []

    def said(self, line):
        self.lines.append(line)

    def evaluating(self, label, done, total):
        self.labels.append(label)


@pytest.fixture
def heard():
    return Hear()


@pytest.fixture
def data(tmp_path):
    """Twelve short problems and one of 600 tokens in line 4 of each side; the lab's tokenizer has a token for a character."""

    def make(long=600):
        for side, answer in (("train", "7"), ("test", "8")):
            lines = [{"question": f"{number},{answer}=1", "answer": answer} for number in range(12)]
            lines.insert(3, {"question": answer * long, "answer": answer})
            (tmp_path / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return (
            "tasks.name=jsonl",
            "tasks.settings={verifier = 'numeric', template = 'plain'}",
            f"tasks.train={tmp_path / 'train.jsonl'}",
            f"tasks.test={tmp_path / 'test.jsonl'}",
        )

    return make


# Prompts.


def test_a_long_prompt_of_either_side_is_refused_before_the_base_is_evaluated(configure, data, heard, tmp_path):
    config = configure(*data(), "evaluation.before=true")
    with pytest.raises(DataError) as refused:
        train(RunDirectory.create(config), observer=heard)
    # 600 characters and a newline
    assert str(refused.value).startswith(
        "1 of 13 training prompts (template plain) are longer than 511 tokens, and the model has 512 positions for prompt and response "
        f"together; the longest has 601: {tmp_path / 'train.jsonl'}:4, problem {content_id('jsonl', '7' * 600)}, "
    )
    assert "leave such problems out with prompt.too_long=drop, or shorten them" in str(refused.value)
    assert heard.labels == []
    assert not (tmp_path / "runs" / "run").exists()  # fixed, the same command starts
    train_file = tmp_path / "train.jsonl"
    train_file.write_text("".join(line for line in train_file.read_text().splitlines(True) if "77777" not in line))
    with pytest.raises(DataError, match=r"1 of 13 test prompts .*test\.jsonl:4"):
        train(RunDirectory.create(config), observer=heard)
    assert heard.labels == []


def test_or_is_left_out_of_both_sides_and_said(configure, data, heard, tmp_path):
    config = configure(
        *data(), "evaluation.before=true", "evaluation.problems=none", "prompt.too_long=drop", "learner.steps=5"
    )
    result = train(RunDirectory.create(config), observer=heard)
    said = [line for line in heard.lines if "are longer than 511 tokens" in line]
    assert [re.match(r"1 of 13 (\w+) prompts", line)[1] for line in said] == ["training", "test"]
    assert all("their problems are left out" in line for line in said)
    assert len(result.base.counts) == 12
    trained = {json.loads(line)["problem_id"] for line in result.run.samples.read_text().splitlines()}
    assert content_id("jsonl", "7" * 600) not in trained
    # Twenty prompts of twelve problems: all of them came, and some came twice.
    again = train(RunDirectory.open(result.run.path, ["learner.steps=6"]), observer=heard)
    assert again.checkpoint.step == 6


def test_the_limit_of_the_run_file_comes_first(configure, data):
    with pytest.raises(
        DataError, match=r"longer than 100 tokens, which prompt\.max_tokens sets; .*or raise prompt\.max_tokens to 201$"
    ):
        train(RunDirectory.create(configure(*data(200), "prompt.max_tokens=100")))


def test_evaluations_and_advice_ask_as_well(configure, data, tmp_path):
    config = configure(*data(), "evaluation.problems=none")
    with pytest.raises(DataError, match=r"1 of 13 test prompts .*test\.jsonl:4"):
        evaluate_model(config, directory=tmp_path / "e")
    assert not (tmp_path / "e").exists()
    with pytest.raises(DataError, match=r"1 of 13 training prompts .*train\.jsonl:4"):
        advise(config, problems=2)
    dropping, said = configure(*data(), "evaluation.problems=none", "prompt.too_long=drop"), []
    assert len(evaluate_model(dropping, directory=tmp_path / "e", say=said.append).counts) == 12
    assert advise(dropping, problems=13, say_line=said.append).settings["problems"] == 12
    assert [line[:24] for line in said] == ["1 of 13 test prompts (te", "1 of 13 training prompts"]


def test_an_evaluation_asks_of_no_more_prompts_than_it_draws_for(configure, data, tmp_path):
    config = configure(*data(), "evaluation.problems=3")
    long = content_id("jsonl", "8" * 600)
    ids = sorted(content_id("jsonl", f"{number},8=1") for number in range(12))
    assert long > ids[2]  # it is not among the first three
    assert len(evaluate_model(config, directory=tmp_path / "e").counts) == 3


# Room for responses.


def test_a_token_limit_beyond_the_positions_is_refused_with_one_that_can_be_had(configure, heard, tmp_path):
    # Prompts of `countdown` with two numbers: `1,2=3` and the like, at most 8 tokens here.
    with pytest.raises(
        ConfigError,
        match=r"^rollout\.max_tokens=600 can never be had: the model has 512 positions",
    ) as refused:
        train(RunDirectory.create(configure("rollout.max_tokens=600")), observer=heard)
    assert not (tmp_path / "runs" / "run").exists()
    longest = int(re.search(r"takes (\d+) of them", str(refused.value))[1])
    assert f"set rollout.max_tokens={512 - longest} or less" in str(refused.value)
    with pytest.raises(ConfigError, match=r"^evaluation\.max_tokens=512 can never be had"):
        train(RunDirectory.create(configure("evaluation.max_tokens=512", "evaluation.after=true")), observer=heard)
    with pytest.raises(ConfigError, match=r"^rollout\.max_tokens=512 can never"):
        evaluate_model(configure("rollout.max_tokens=512"), directory=tmp_path / "e")


def test_prompts_that_leave_less_than_the_limit_are_counted(configure, data, heard):
    # 400 characters and a newline leave 111 of 512 positions; the other prompts leave nearly all.
    run = RunDirectory.create(configure(*data(400), "rollout.max_tokens=112", "learner.steps=1"))
    train(run, observer=heard)
    (line,) = [line for line in heard.lines if "leave a response less" in line]
    assert line.startswith(
        "1 of 13 training prompts leave a response less than rollout.max_tokens=112 of the model's 512 positions"
    )
    assert (
        "lower rollout.max_tokens to 111, or leave such problems out with prompt.max_tokens=400 prompt.too_long=drop"
        in line
    )
    quiet = Hear()
    train(
        RunDirectory.create(configure(*data(400), "rollout.max_tokens=111", "learner.steps=1", name="fits")),
        observer=quiet,
    )
    assert not any("leave a response less" in line for line in quiet.lines)


# Precision.


@pytest.mark.parametrize(
    ("flags", "slow"),
    [
        ("flags\t\t: fpu avx2", True),
        ("flags : fpu avx512_bf16", False),
        ("Features : bf16", False),
        ("model name : x", False),
    ],
)
def test_bfloat16_is_spoken_of_where_the_processor_has_none(configure, monkeypatch, tmp_path, flags, slow):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(precision, "cpu_flags", lambda: cpu_flags(file))
    model = torch.nn.Linear(1, 1).bfloat16()
    model.dtype = torch.bfloat16
    config = configure("learner.mixed_precision=bf16")
    said = slow_precision(config, model, device="cpu")
    assert bool(said) is slow
    if slow:
        assert said[0].startswith(
            "learner.mixed_precision=bf16 and model.dtype=float32: this processor has no bfloat16 arithmetic"
        )
        assert said[0].endswith(
            "3 to 16 times slower than float32; set learner.mixed_precision=no and model.dtype=float32"
        )
    assert slow_precision(config, model, device="cuda") == []
    model.dtype = torch.float32
    assert slow_precision(configure(), model, device="cpu") == []


def test_a_run_says_so_before_it_draws(configure, monkeypatch, heard):
    monkeypatch.setattr(ready, "slow_precision", lambda config, model, device: [f"slow on the {device}"])
    train(RunDirectory.create(configure("learner.steps=1", "evaluation.before=true")), observer=heard)
    assert heard.lines[5] == "slow on the cpu"  # after the five lines of the header


# A base that does not fit.


SHORT = ("evaluation.before=true", "learner.steps=1", "diagnostics.every=0", "rollout.max_tokens=12")


def script(monkeypatch, responses):
    """Every problem of the data is answered by these in turn."""
    ids = [content_id("jsonl", f"{number},{answer}=1") for number in range(12) for answer in "78"]
    sampler = ScriptedSampler(dict.fromkeys(ids, responses), encode=lambda text: [1] * len(text))
    monkeypatch.setattr(assemble, "EmbeddedSampler", lambda *parts, **settings: sampler)


@pytest.mark.parametrize("before", ["true", "false"])
def test_a_base_without_a_success_is_spoken_of_at_once_with_examples(configure, data, heard, monkeypatch, before):
    script(monkeypatch, ["\x1b[mred it is " + "x y " * 80 + "so", "let me see"])
    config = configure(
        *data(5), f"evaluation.before={before}", "learner.steps=1", "diagnostics.every=0", "rollout.max_tokens=400"
    )
    run = RunDirectory.create(config)
    train(run, observer=heard)
    start = next(number for number, line in enumerate(heard.lines) if "of the base are right" in line)
    first, *examples = heard.lines[start : start + 4]
    assert first == (
        "0 of 16 responses of the base are right, 100% hold no answer that the verifier can read; no rule can push up what never comes, "
        f"and negative reinforcement pushes down all there is. Find out what does not fit with: counterpoise advise {run.path}@0"
    )
    assert len(examples) == 3
    assert all(line.startswith("  for example '") and line.endswith(": no answer") for line in examples)
    assert not any("\x1b" in line for line in examples)
    assert any("\\x1b[mred" in line for line in examples)
    assert all(len(line) < 300 for line in examples)


def test_a_base_that_is_right_now_and_then_and_answers_is_not_spoken_of(configure, data, heard, monkeypatch):
    script(monkeypatch, [r"\boxed{7}", r"\boxed{8}", r"\boxed{9}", "let me see"])
    train(
        RunDirectory.create(
            configure(
                *data(5), "evaluation.before=true", "learner.steps=1", "diagnostics.every=0", "rollout.max_tokens=12"
            )
        ),
        observer=heard,
    )
    assert not any("of the base are right" in line for line in heard.lines)


def test_most_responses_without_an_answer_are_spoken_of_even_where_some_are_right(configure, data, heard, monkeypatch):
    script(monkeypatch, [r"\boxed{8}", "let me see", "let me see", "let me see"])
    train(
        RunDirectory.create(
            configure(
                *data(5), "evaluation.before=true", "learner.steps=1", "diagnostics.every=0", "rollout.max_tokens=12"
            )
        ),
        observer=heard,
    )
    (line,) = [line for line in heard.lines if "of the base are right" in line]
    assert line.startswith(
        "4 of 16 responses of the base are right, 75% hold no answer that the verifier can read. Find out"
    )


# A step that ends the run.


def steps(run):
    return CheckpointStore(run.checkpoints, keep=9, say=print).steps()


class _Failing:
    """Draws as the real sampler does until the wanted call."""

    def __init__(self, real, error, call):
        self.real, self.error, self.left = real, error, call

    def sample(self, prompts, **settings):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.real.sample(prompts, **settings)


@pytest.mark.parametrize(
    "error",
    [
        DataError("a prompt is too long"),
        VerifierError("no worker"),
        TrainingError("weights have diverged"),
        RuntimeError("bug"),
    ],
)
@pytest.mark.parametrize("controller", ["constant", "entropy_step"])
def test_what_ends_a_run_costs_no_finished_step(configure, heard, monkeypatch, error, controller):
    settings = (
        "checkpoint.every_steps=0",
        "diagnostics.every=0",
        "credit.rule=reinforce",
        f"credit.controller={controller}",
    )
    whole = train(RunDirectory.create(configure(*settings, name="whole")))
    real = assemble.EmbeddedSampler
    monkeypatch.setattr(
        assemble, "EmbeddedSampler", lambda *parts, **options: _Failing(real(*parts, **options), error, 3)
    )
    run = RunDirectory.create(configure(*settings))
    with pytest.raises(type(error), match=str(error)):
        train(run, observer=heard)
    assert steps(run) == [3]
    assert heard.lines[-1] == "saved after step 3, the last one that was done"
    monkeypatch.setattr(assemble, "EmbeddedSampler", real)
    again = train(RunDirectory.open(run.path))
    assert _equal(whole, again)


def _equal(one, other):
    ours, theirs = (result.checkpoint.state() for result in (one, other))
    assert ours["controller"] == theirs["controller"]
    weights = [
        ready.load_policy(result.run.config.model, result.checkpoint.policy).model.state_dict()
        for result in (one, other)
    ]
    return all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_refused_update_takes_back_what_the_step_had_moved(configure, poison_loss):
    """The loss of the third step is not a number: the controller has seen that step, and the saved one must not have."""
    settings = (
        "checkpoint.every_steps=0",
        "diagnostics.every=0",
        "credit.rule=reinforce",
        "credit.controller=entropy_step",
        "learner.minibatch=none",
    )
    whole = train(RunDirectory.create(configure(*settings, name="whole")))
    run = RunDirectory.create(configure(*settings))
    restore = poison_loss(3)
    with pytest.raises(TrainingError, match=r"training step 3: .*last good checkpoint is .*step-000002"):
        train(run)
    assert steps(run) == [2]
    restore()
    assert _equal(whole, train(RunDirectory.open(run.path)))


def test_a_step_that_moved_the_weights_before_it_was_refused_is_not_saved(configure, poison_loss):
    """Two mini-batches a step; the second of step 2 is refused, so that the weights are those of no finished step."""
    run = RunDirectory.create(configure("checkpoint.every_steps=0", "diagnostics.every=0"))
    poison_loss(4)
    with pytest.raises(TrainingError, match=r"training step 2: .*there is no checkpoint yet"):
        train(run)
    assert steps(run) == []


@pytest.mark.parametrize("error", [VerifierError("no worker"), MemoryError(), RuntimeError("no room on the device")])
def test_an_evaluation_that_fails_in_between_costs_no_step(configure, monkeypatch, error):
    def fail(*parts, **options):
        raise error

    run = RunDirectory.create(configure("checkpoint.every_steps=0", "evaluation.every=2"))
    monkeypatch.setattr(local, "evaluate_policy", fail)
    with pytest.raises(type(error)):
        train(run)
    assert steps(run) == [2]

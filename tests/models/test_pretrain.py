from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from counterpoise.errors import ModelError, TrainingError, UsageError
from counterpoise.models.lab import LabSize
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.models.pretrain import PRESETS, PretrainSettings, _batches, _encode, learning_rate_at, pretrain
from counterpoise.types import Problem

TINY = PretrainSettings(
    seed=3, hidden_size=32, layers=1, heads=2, mlp_size=48, steps=60, batch_size=8, learning_rate=1e-2, warmup_steps=5
)


def problem(question, gold):
    return Problem(problem_id=question, task_type="toy", question=question, gold=gold, verifier="exact")


PROBLEMS = [problem("a?", "x"), problem("b?", "yy"), problem("c?", "zzz")]


def gold_of(item, _generator):
    return item.gold


def test_it_learns_what_it_is_shown():
    model, tokenizer, report = pretrain(TINY, PROBLEMS, gold_of)
    assert report.losses[0] > 2 and report.losses[-1] < 0.1
    ids = torch.tensor([tokenizer.encode("c?\n")])
    assert tokenizer.decode(model.generate(ids, do_sample=False, max_new_tokens=6)[0]) == "c?\nzzz<eos>"
    assert (report.steps, len(report.losses), model.training) == (60, 60, False)


def test_same_seed_same_weights_another_seed_others():
    short = replace(TINY, steps=3)
    states = [pretrain(s, PROBLEMS, gold_of)[0].state_dict() for s in (short, short, replace(short, seed=4))]
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(states[0][name], states[1][name]) and not torch.equal(states[0][name], states[2][name])


def test_a_stage_goes_on_from_the_model_it_is_given():
    model = pretrain(TINY, PROBLEMS, gold_of)[0]
    again, _, report = pretrain(replace(TINY, steps=1, learning_rate=1e-9), PROBLEMS, gold_of, start=model)
    assert again is model and report.losses[0] < 0.1


def test_loss_is_on_response_tokens_and_eos_only():
    tokenizer = build_lab_tokenizer()
    settings = replace(TINY, steps=1, batch_size=2)
    ids, labels = next(iter(_batches(settings, [problem("b?", "yy")], gold_of, tokenizer)))
    y, eos = tokenizer.convert_tokens_to_ids(["y", "<eos>"])
    # "b ? \n y y": the newline predicts y, y predicts y, the last y predicts EOS
    assert labels.tolist() == [[-100, -100, y, y, eos]] * 2
    assert ids.tolist() == [tokenizer.encode("b?\nyy")] * 2


def test_padding_is_on_the_right_and_carries_no_loss():
    ids, labels = next(iter(_batches(replace(TINY, steps=1, batch_size=64), PROBLEMS, gold_of, build_lab_tokenizer())))
    assert ids.shape == (64, 6)
    assert bool((labels[ids == 0] == -100).all())
    assert bool(((ids == 0).int().diff(dim=1) >= 0).all())


def test_encoding_is_the_tokenizers():
    tokenizer = build_lab_tokenizer()
    assert _encode("3,7,9=30\n(3*7)+9", tokenizer.get_vocab()) == tokenizer.encode("3,7,9=30\n(3*7)+9")


def test_demonstrations_are_drawn_with_the_runs_generator():
    seen = []

    def demonstrate(item, generator):
        assert isinstance(generator, np.random.Generator)
        seen.append((item.question, int(generator.integers(1000))))
        return item.gold

    pretrain(replace(TINY, steps=2), PROBLEMS, demonstrate)
    first = list(seen)
    seen.clear()
    pretrain(replace(TINY, steps=2), PROBLEMS, demonstrate)
    assert seen == first and len(seen) == 16


def test_callback_counts_steps():
    calls = []
    report = pretrain(replace(TINY, steps=2), PROBLEMS, gold_of, on_step=lambda step, loss: calls.append((step, loss)))[
        2
    ]
    assert calls == [(1, report.losses[0]), (2, report.losses[1])]


def test_schedule():
    settings = PretrainSettings(steps=201, warmup_steps=100, learning_rate=1.0, final_learning_rate=0.1)
    rates = [learning_rate_at(step, settings) for step in (0, 49, 99, 100, 150, 200)]
    # 1/100, 50/100, 1; then 0.1 + 0.9 * (1 + cos(pi * done)) / 2 at done = 0, 1/2, 1
    assert rates == pytest.approx([0.01, 0.5, 1.0, 1.0, 0.55, 0.1])


def test_no_problems_is_a_message():
    with pytest.raises(UsageError, match="no problems to train on"):
        pretrain(TINY, [], gold_of)


def test_a_character_outside_the_alphabet_is_named():
    with pytest.raises(ModelError, match="has no 'X', found in 'a\\?\\\\nX'"):
        pretrain(TINY, [problem("a?", "X")], gold_of)


def test_a_diverging_run_stops():
    with pytest.raises(TrainingError, match=r"the loss of step \d+ is nan; lower learning_rate"):
        pretrain(replace(TINY, learning_rate=1e30, warmup_steps=0), PROBLEMS, gold_of)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, expected a positive number"),
        ({"clip_norm": float("nan")}, "clip_norm is nan, expected a positive number"),
        ({"warmup_steps": -1}, "warmup_steps is -1, expected zero or more"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        PretrainSettings(**setting)


def test_presets_cover_the_packaged_sizes_and_those_that_are_made():
    assert (
        set(PRESETS) - {"code", "questions", "units"} == set(get_args(LabSize)) == {"graded", "paths", "strong", "weak"}
    )

"""The packaged models are what their recipe and docs/lab.md say they are."""

import json
import math
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from counterpoise.models.lab import build_lab_model, lab_path
from counterpoise.models.pretrain import PRESETS
from counterpoise.tasks.generators.countdown import Countdown
from counterpoise.tasks.registry import make_task
from counterpoise.types import VerdictValue
from counterpoise.verifiers.compare.countdown import CountdownVerifier
from counterpoise.verifiers.compare.exact import ExactVerifier
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.compare.steps import StepsVerifier

DOCS = Path(__file__).parents[2] / "docs" / "lab.md"
SIZES = ["strong", "weak"]
TARGETS = {"strong": ((0.42, 0.58), 0.95), "weak": ((0.06, 0.11), 0.85)}
PROBLEMS, SAMPLES = 60, 32


def recipe(size):
    return json.loads((lab_path(size) / "recipe.json").read_text())


def counts(size):
    measured = recipe(size)["measured"]
    return np.array(measured["correct"]), measured["samples"]


def pass_at_k(correct, samples, k):
    """1 - C(n-c, k) / C(n, k), averaged over problems."""
    return float(np.mean([1 - math.comb(samples - int(c), k) / math.comb(samples, k) for c in correct]))


@torch.inference_mode()
def sample_correct(size, problems, samples, seed, verifier, longest=32):
    """Number of right responses for each problem, drawn at temperature 1."""
    model = AutoModelForCausalLM.from_pretrained(lab_path(size), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(lab_path(size))
    generator, correct = torch.Generator().manual_seed(seed), []
    for problem in problems:
        output = model(torch.tensor([tokenizer.encode(problem.question + "\n")]), use_cache=True)
        cache, logits = output.past_key_values, output.logits[:, -1].expand(samples, -1)
        cache.batch_repeat_interleave(samples)
        drawn, done = [], torch.zeros(samples, dtype=torch.bool)
        while not done.all() and len(drawn) < longest:
            token = torch.multinomial(logits.softmax(-1), 1, generator=generator)
            drawn.append(token.masked_fill(done[:, None], tokenizer.pad_token_id))
            done |= token[:, 0] == tokenizer.eos_token_id
            logits = model(token, past_key_values=cache, use_cache=True).logits[:, -1]
        answers = (
            verifier.extract(text).answer
            for text in tokenizer.batch_decode(torch.cat(drawn, 1), skip_special_tokens=True)
        )
        verdicts = (verifier.judge(problem.gold, answer).value for answer in answers if answer is not None)
        correct.append(sum(value is VerdictValue.CORRECT for value in verdicts))
    return np.array(correct)


@pytest.mark.parametrize("size", SIZES)
def test_measuring_again_gives_the_recorded_figures(size):
    correct, recorded_samples = counts(size)
    problems = Countdown(**recipe(size)["task"]).problems("test")[:PROBLEMS]
    again = sample_correct(size, problems, SAMPLES, 11, CountdownVerifier())
    assert_same_within_noise(again, correct, recorded_samples)


@pytest.mark.parametrize(
    ("name", "verifier"), [("arithmetic", StepsVerifier()), ("lengths", QuantityVerifier(relative_tolerance=0.0))]
)
def test_measuring_the_graded_base_again_gives_the_recorded_figures(name, verifier):
    correct, recorded_samples = graded_counts(name)
    (source,) = (source for source in recipe("graded")["task"]["sources"] if source["name"] == name)
    problems = make_task(**source).problems("test")[:PROBLEMS]
    again = sample_correct("graded", problems, SAMPLES, 11, verifier, longest=44)
    assert_same_within_noise(again, correct, recorded_samples)
    assert len(correct) >= 200 and recorded_samples >= 32
    assert 0.25 <= pass_at_k(correct, recorded_samples, 1) <= 0.5
    (row,) = re.findall(rf"^\| graded, {name} \| (0\.\d+ \(.+)\|$", DOCS.read_text(), flags=re.MULTILINE)
    shown = [float(cell.split()[0]) for cell in row.split("|")]
    ks = (1, 2, 4, 8, 16, 32)
    assert shown == pytest.approx([pass_at_k(correct, recorded_samples, k) for k in ks], abs=5e-4)


def graded_counts(name):
    measured = recipe("graded")["measured"]
    return np.array(measured["correct"][name]), measured["samples"]


def assert_same_within_noise(again, correct, recorded_samples):
    # The same problems in both, so only sampling noise is left: the variance of a mean of Bernoulli means, in both measurements.
    p = correct[:PROBLEMS] / recorded_samples
    noise = math.sqrt(np.sum(p * (1 - p)) * (1 / SAMPLES + 1 / recorded_samples)) / PROBLEMS
    assert abs(np.mean(again) / SAMPLES - np.mean(p)) < 4.5 * noise
    # pass@8 moves by at most 8 (1-p)^7 per unit of p: the same variance, scaled problem by problem
    slope = 8 * (1 - p) ** 7
    noise = math.sqrt(np.sum(slope**2 * p * (1 - p)) * (1 / SAMPLES + 1 / recorded_samples)) / PROBLEMS
    recorded = pass_at_k(correct[:PROBLEMS], recorded_samples, 8)
    assert abs(pass_at_k(again, SAMPLES, 8) - recorded) < 4.5 * noise + 0.01


@pytest.mark.parametrize("size", SIZES)
def test_recorded_figures_are_what_the_bases_are_for(size):
    (low, high), coverage = TARGETS[size]
    correct, samples = counts(size)
    assert len(correct) >= 200 and samples >= 256
    assert low <= pass_at_k(correct, samples, 1) <= high
    assert pass_at_k(correct, samples, 128) > coverage


@pytest.mark.parametrize("size", SIZES)
def test_docs_show_the_recorded_figures(size):
    rows = re.findall(rf"^\| {size} \| (0\.\d+ \(.+)\|$", DOCS.read_text(), flags=re.MULTILINE)
    shown = [float(cell.split()[0]) for cell in rows[0].split("|")]
    correct, samples = counts(size)
    assert shown == pytest.approx(
        [pass_at_k(correct, samples, k) for k in (1, 2, 4, 8, 16, 32, 64, 128, 256)], abs=5e-4
    )


@pytest.mark.parametrize(("row", "kind"), [("easy", "paths"), ("hard", "paths_hard")])
def test_docs_show_the_figures_of_the_base_with_many_procedures(row, kind):
    measured = recipe("paths")["measured"]
    (cells,) = re.findall(rf"^\| paths, {row} \| (.+) \|$", DOCS.read_text(), flags=re.MULTILINE)
    correct = measured["correct"][kind]
    assert len(correct) == measured["problems"][kind]
    curve = [pass_at_k(correct, measured["samples"], k) for k in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert [float(cell) for cell in cells.split(" | ")] == pytest.approx(curve, abs=5e-4)


def test_measuring_the_base_with_many_procedures_again_gives_the_recorded_figures():
    measured = recipe("paths")["measured"]
    hard = [problem for problem in make_task("paths").problems("test") if problem.task_type == "paths_hard"]
    first = sorted(hard, key=lambda problem: problem.problem_id)[:PROBLEMS]
    again = sample_correct("paths", first, SAMPLES, 11, ExactVerifier(), longest=12)
    assert_same_within_noise(again, np.array(measured["correct"]["paths_hard"]), measured["samples"])


@pytest.mark.parametrize("size", [*SIZES, "graded", "paths"])
def test_recipe_is_the_preset(size):
    assert recipe(size)["stages"] == [asdict(stage) for stage in PRESETS[size]]


@pytest.mark.parametrize("size", [*SIZES, "graded", "paths"])
def test_architecture_is_the_recipes(size):
    loaded = AutoModelForCausalLM.from_pretrained(lab_path(size), dtype=torch.float32)
    assert {n: t.shape for n, t in loaded.state_dict().items()} == {
        n: t.shape for n, t in build_lab_model(0).state_dict().items()
    }


def test_weights_stay_small():
    assert sum(f.stat().st_size for size in [*SIZES, "graded", "paths"] for f in lab_path(size).iterdir()) <= 7 * 2**20

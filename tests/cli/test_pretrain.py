import json
from dataclasses import asdict

import pytest

from counterpoise.cli.commands.pretrain import task_of
from counterpoise.models.lab import lab_path
from counterpoise.tasks.generators.paths import Paths


def test_two_steps_make_a_model_with_its_recipe(command, tmp_path):
    result = command("pretrain", "--size", "strong", "--steps", 2, "--largest", 4, "--seed", 7, "--out", "m")
    assert result.exit_code == 0, result.output
    recipe = json.loads((tmp_path / "m" / "recipe.json").read_text())
    assert [stage["steps"] for stage in recipe["stages"]] == [2, 2, 2]
    assert len({stage["seed"] for stage in recipe["stages"]}) == 3 and recipe["task"]["largest"] == 4
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    } <= {file.name for file in (tmp_path / "m").iterdir()}
    assert f"6 steps, last loss {recipe['final_loss']}" in result.stdout


def test_impossible_problems_are_a_message(refused):
    refused("pretrain", "--count", 9, "--out", "m", says="count = 9; expected an integer in [2, 5]")


def test_the_graded_base_learns_both_of_its_tasks(command, refused, tmp_path):
    result = command("pretrain", "--size", "graded", "--steps", 2, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "training problems of arithmetic and lengths" in result.output
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert [source["name"] for source in recipe["task"]["sources"]] == ["arithmetic", "lengths"]
    refused("pretrain", "--size", "graded", "--count", 3, says="--count and --largest belong to countdown")


@pytest.mark.parametrize(
    ("size", "says"), [("questions", "400 training problems of recall"), ("units", "of units"), ("code", "of snippets")]
)
def test_a_base_of_another_domain_is_shown_its_task(command, tmp_path, size, says):
    result = command("pretrain", "--size", size, "--steps", 2, "--out", tmp_path)
    # facts of both sides: what was not taught is out of reach
    assert result.exit_code == 0 and says in result.output, result.output
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["task"] == asdict(task_of(size)) and recipe["parameters"] == 154_432


def test_a_base_of_procedures_may_have_another_prior(command, refused, tmp_path):
    result = command("pretrain", "--size", "paths", "--wrong-prior", 0.25, "--steps", 2, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "three numbers up to 40, 25% of what is shown is never right" in result.output
    assert json.loads((tmp_path / "recipe.json").read_text())["task"] == asdict(Paths(wrong_prior=0.25))
    refused(
        "pretrain", "--size", "strong", "--wrong-prior", 0.25, says="--wrong-prior belongs to paths, and --size strong"
    )
    refused("pretrain", "--size", "paths", "--wrong-prior", 1.5, says="wrong_prior = 1.5; expected a number in [0, 1]")


def test_help_shows_examples(command):
    assert "counterpoise pretrain --size weak --steps 200" in command("pretrain", "--help").output


@pytest.mark.parametrize("size", ["strong", "weak", "graded"])
def test_packaged_recipe_is_this_commands(size):
    assert json.loads((lab_path(size) / "recipe.json").read_text())["task"] == json.loads(
        json.dumps(asdict(task_of(size)))
    )


def test_an_out_that_cannot_be_made_is_refused_before_training(refused, tmp_path):
    (tmp_path / "file").write_text("")
    says = "cannot be made (Not a directory); choose a directory you may write to"
    refused("pretrain", "--out", "file/model", says=says)

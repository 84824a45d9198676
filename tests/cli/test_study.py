"""`counterpoise study` as a user calls it."""

import json

import pytest
import tomli_w

from counterpoise.evaluation.cautions import few_problems, few_seeds


@pytest.fixture
def file(tiny_policy, tmp_path):
    run = {
        "model": {"name": str(tiny_policy)},
        "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
        "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 6},
        "learner": {"steps": 1, "minibatch": 2},
        "evaluation": {"problems": 4, "n": 4},
    }
    (tmp_path / "run.toml").write_text(tomli_w.dumps(run))
    study = {"run": "run.toml", "seeds": [0, 1], "arms": {rule: {"credit": {"rule": rule}} for rule in ("nsr", "psr")}}
    (tmp_path / "two.toml").write_text(tomli_w.dumps(study))
    return tmp_path / "two.toml"


def test_a_study_from_file_to_table(command, refused, file):
    refused("study", file, "--show", says=["nothing to show in runs/two", "train with: counterpoise study FILE"])
    trained = command("study", file)
    assert trained.exit_code == 0
    assert "run 4 of 4: psr, seed 1" in trained.output
    shown = command("study", file, "--show", "--against", "nsr", "--markdown", "-k", "1,4")
    lines = shown.stdout.splitlines()
    assert lines[0] == "| arm | seeds | k=1 | k=4 | area |"
    assert [line.split(" | ")[:2] for line in lines[2:4]] == [["| nsr", "2"], ["| psr", "2"]]
    # under the table, and not a row of it: two seeds and the four problems of the run file
    seeds, few = few_seeds([2]), few_problems(4)
    assert lines[4:] == ["", f"R{seeds[1:]}.", "", f"{few}."]
    assert "(" not in lines[2]
    assert "(" in lines[3]


def test_json_names_what_is_missing(command, file):
    command("study", file)
    file.write_text(file.read_text().replace("seeds = [\n    0,\n    1,\n]", "seeds = [0, 1, 2]"))
    data = json.loads(command("study", file, "--show", "--json").stdout)
    assert data["ks"] == [1, 2, 4]
    assert [len(arm["points"]) for arm in data["arms"]] == [4, 4]
    assert data["pending"] == ["nsr seed 2", "psr seed 2"]
    assert data["cautions"] == [few_seeds([2]), few_problems(4)]
    assert few_seeds([2]) in command("study", file, "--show").stdout


def test_an_unknown_reference(refused, file):
    # refused before anything is trained
    says = "--against grpo is not an arm of the study; there are: base, sharpened, nsr, psr"
    refused("study", file, "--against", "grpo", says=says)
    assert not (file.parent / "runs").exists()


def test_a_study_is_measured_again_at_another_sampling(command, refused, file):
    command("study", file)
    refused(
        "study",
        file,
        "--show",
        "evaluation.temperature=0.5",
        says="no finished run was measured like this; leave --show",
    )
    hot = command("study", file, "evaluation.temperature=0.5", "--json")
    assert "measuring psr, seed 1" in hot.stderr
    assert json.loads(hot.stdout)["pending"] == []
    assert command("study", file, "--show", "evaluation.temperature=0.5", "--json").stdout == hot.stdout


def test_a_study_against_the_sharpened_base(command, refused, file):
    command("study", file)
    asked = ("study", file, "--against", "sharpened", "--temperature", "0.3,0.1")
    refused(*asked, "--show", says="the base of nsr was not measured at temperature 0.3, 0.1; leave --show away")
    result = command(*asked)
    assert result.exit_code == 0
    assert "measuring base at temperature 0.1" in result.stderr
    # a random policy is right at no temperature, so all have its pass@1 and nothing is beyond
    assert "+0.0 [+0.0, +0.0]" in result.stdout
    assert command(*asked, "--show").stdout == result.stdout
    # one run that is always right is above all of them
    (counts,) = file.parent.glob("runs/two/psr-seed0/evaluation/step-000001/problems.jsonl")
    rows = [json.loads(line) for line in counts.read_text().splitlines()]
    counts.write_text("".join(json.dumps(row | {"c": row["n"], "wrong_classes": []}) + "\n" for row in rows))
    above = command(*asked, "--show")
    assert "undefined" in above.stdout, above.stderr
    assert "undefined: a seed's pass@1 is above or below that of the base" in above.stderr
    assert json.loads(command(*asked, "--show", "--json").stdout)["arms"][1]["differences"][0]["estimate"] is None
    refused("study", file, "--against", "sharpened", "--temperature", "cold", says="--temperature takes numbers")
    refused("study", file, "--against", "sharpened", "--temperature", "0", says="is above 0; got 0")

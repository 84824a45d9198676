"""`counterpoise study` as a user calls it."""

import csv
import hashlib
import json
import sys
from pathlib import Path

import pytest
import tomli_w

from counterpoise.evaluation.statistics.cautions import few_problems, few_seeds


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


def test_json_names_what_is_missing(command, refused, file):
    command("study", file)
    file.write_text(file.read_text().replace("seeds = [\n    0,\n    1,\n]", "seeds = [0, 1, 2]"))
    data = json.loads(command("study", file, "--show", "--json").stdout)
    assert data["ks"] == [1, 2, 4]
    assert [len(arm["points"]) for arm in data["arms"]] == [4, 4]
    assert data["pending"] == ["nsr seed 2", "psr seed 2"]
    assert data["cautions"] == [few_seeds([2]), few_problems(4)]
    assert few_seeds([2]) in command("study", file, "--show").stdout
    assert "runs/two/nsr-seed0/evaluation/step-000000" in data["inputs"]
    assert len(data["inputs"]) == 5  # the base that all share, four runs
    problems = Path("runs/two/psr-seed1/evaluation/step-000001/problems.jsonl")
    told = data["inputs"][str(problems.parent)]
    assert told["problems.jsonl"] == hashlib.sha256(problems.read_bytes()).hexdigest()
    every = json.loads(command("study", file, "--show", "--json", "--k", "all").stdout)
    assert every["ks"] == [1, 2, 3, 4]
    # The area stays that over the powers of two.
    assert every["arms"][0]["points"][-1] == data["arms"][0]["points"][-1]
    assert "k=3" in command("study", file, "--show", "--k", "3").stdout
    # no table of runs under the name of an arm that they are not of
    file.write_text(file.read_text().replace('rule = "psr"', 'rule = "grpo"'))
    refused("study", file, "--show", says="psr-seed0 was made with other settings (credit.rule psr -> grpo)")
    refused("study", file, "--dry-run", says="psr-seed0 was made with other settings (credit.rule psr -> grpo)")


def test_each_arm_is_shown_less_the_placebo(command, refused, file):
    refused("study", file, "--against", "placebo", says="no arm, or more than one, has credit.reward = random")
    text = file.read_text()
    file.write_text(text + '[arms.coin.credit]\nrule = "nsr"\nreward = "random"\n')
    told = json.loads(command("study", file, "--json").stdout)
    assert (told["against"], told["placebo"]) == ("base", "coin")
    less = {arm["name"]: arm["differences"] for arm in told["less_placebo"]}
    assert (len(less["nsr"]), len(less["coin"])) == (4, 0)
    named = json.loads(command("study", file, "--show", "--json", "--against", "placebo").stdout)
    assert named["against"] == "coin" and {a["name"]: a["differences"] for a in named["arms"]} == less
    shown = command("study", file, "--show").stdout
    assert "difference from coin, the placebo," in " ".join(shown.split())
    marked = command("study", file, "--show", "--markdown").stdout
    assert marked.count("| arm | seeds |") == 2 and "Differences from coin, the placebo, instead:" in marked


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
    rows = [
        {key: value for key, value in row.items() if key != "tokens"} for row in rows
    ]  # of the responses as they were
    counts.write_text("".join(json.dumps(row | {"c": row["n"], "wrong_classes": []}) + "\n" for row in rows))
    above = command(*asked, "--show")
    assert "undefined" in above.stdout, above.stderr
    assert "undefined: a seed's pass@1 is above or below that of the base" in above.stderr
    assert json.loads(command(*asked, "--show", "--json").stdout)["arms"][1]["differences"][0]["estimate"] is None
    refused("study", file, "--against", "sharpened", "--temperature", "cold", says="--temperature takes numbers")
    refused("study", file, "--against", "sharpened", "--temperature", "0", says="is above 0; got 0")


@pytest.fixture
def grid(file):
    """The study of `file` on two numbers of training problems, measured on the way."""
    text = file.read_text().replace("seeds = [\n    0,\n    1,\n]", "seeds = [0]")
    text += '[grid]\n"tasks.max_train" = [4, 8]\n[settings.learner]\nsteps = 2\n[settings.evaluation]\nevery = 1\n'
    file.write_text(text)
    return file


def test_a_grid_from_plan_to_page(command, refused, grid, tmp_path):
    planned = command("study", grid, "--dry-run")
    assert "0 of 4 runs finished, in runs/two" in planned.stdout
    assert "tasks.max_train=4, nsr, seed 0" in planned.stdout and "not begun" in planned.stdout
    assert not (tmp_path / "runs").exists()
    trained = command("study", grid, "--csv", "all.csv", "--html", "map.html", "--json")
    assert trained.exit_code == 0
    assert "run 4 of 4: tasks.max_train=8, psr, seed 0" in trained.stderr
    assert "for the 3 runs to come" in trained.stderr
    told = json.loads(trained.stdout)
    assert [place["place"] for place in told["places"]] == ["tasks.max_train=4", "tasks.max_train=8"]
    assert [arm["name"] for arm in told["places"][0]["arms"]] == ["nsr", "psr"]
    with open("all.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    # a base in each place, and two arms at two steps and one less the other, at k = 1, 2, 4 and the area
    assert len(rows) == 2 * (1 + 2 * 2 + 2) * 4
    assert "of the base drawn colder (less_sharpened): counterpoise study" in trained.stderr
    last = next(row for row in rows if row["arm"] == "nsr" and row["step"] == "2" and row["tasks.max_train"] == "4")
    assert float(last["rollouts_per_problem"]) == 2 * 4 * 4 / 4
    assert (float(last["epochs"]), float(last["updates"])) == (2.0, 4.0)
    assert float(last["tokens"]) > 0
    assert "<figcaption>Map</figcaption>" in Path("map.html").read_text()
    plan = json.loads(command("study", grid, "--dry-run", "--json").stdout)["runs"]
    assert [(run["done"], run["finished"], run["measured"]) for run in plan] == [(2, True, [1, 2])] * 4
    _a_table_is_the_study(command, refused, grid, told)
    shown = command("study", grid, "--show", "--at", "frontier").stdout
    assert shown.count("tasks.max_train=") == 2 and shown.count("psr @1") == 2 and "best of psr" in shown
    assert "after step 1" in command("study", grid, "--show", "--at", "steps=1").stdout
    _what_is_written_over(command, refused, grid)
    _the_mean_over_places(command, refused, grid)
    _at_equal_success(command, refused, grid)
    refused("study", grid, "--show", "--at", "steps=9", says="no run was measured after step 9; evaluation.every")
    refused("study", grid, "--show", "--at", "success=0.999", says="no run has a training success of 0.999 between")
    refused("study", grid, "--show", "--at", "frontier", "--against", "nsr", says="nsr is not a single step")
    refused("study", grid, "--at", "later", says="--at later: runs are compared at steps")


def _what_is_written_over(command, refused, grid):
    before = Path("all.csv").read_bytes()
    refused(
        "study",
        "all.csv",
        "--html",
        "all.csv",
        says="--html all.csv would write over what is read; choose another name",
    )
    refused("study", grid, "--show", "--csv", "x.csv", "--html", "./x.csv", says="would write over what --csv writes")
    refused("study", grid, "--show", "--csv", grid, says="would write over what is read")
    refused("study", grid, "--show", "--csv", ".", says="cannot write .: it is a directory; name a file in it", code=1)
    assert command("study", "all.csv", "--csv", "all.csv").exit_code == 0  # as merging in place does
    assert Path("all.csv").read_bytes() == before


def _the_mean_over_places(command, refused, grid):
    """Each place once, under the tables of the places; of a table's file without what single problems say."""
    asked = ("study", grid, "--show", "--mean")
    assert (
        "mean over 2 places: pass@k %, in brackets the difference from nsr"
        in command(*asked, "--against", "nsr").stdout
    )
    told = json.loads(command(*asked, "--json").stdout)
    rows = [[arm["points"][0]["estimate"] for arm in place["arms"]] for place in told["places"]]
    assert [arm["points"][0]["estimate"] for arm in told["mean"]] == pytest.approx(
        [sum(pair) / 2 for pair in zip(*rows, strict=True)]
    )
    stored = command("study", "all.csv", "--mean", "--json")
    own = json.loads(stored.stdout)
    assert [row["points"][0]["estimate"] for row in own["mean"]] == pytest.approx(
        [row["points"][0]["estimate"] for row in told["mean"]]
    )
    assert own["mean"][0]["differences"][0]["low"] is None  # of one seed
    assert any("Student's over seeds" in note for note in own["notes"])
    assert "mean over 2 places: pass@k %" in command("study", "all.csv", "--mean").stdout
    text = Path("all.csv").read_text().splitlines(keepends=True)
    Path("part.csv").write_text(
        "".join(line for line in text if not line.startswith(",8,psr") and ",psr," not in line[3:])
    )
    part = command("study", "part.csv", "--mean", "--json", "--at", "steps=2")
    told = json.loads(part.stdout)
    assert [row["name"] for row in told["mean"]] == ["nsr"] and "psr" in {a["name"] for a in told["places"][0]["arms"]}
    assert "not in the mean, for no seed has a run in all 2 places: psr" in told["notes"]
    assert "so the mean has no difference from psr" in command("study", "part.csv", "--mean", "--against", "psr").stderr
    refused("study", "all.csv", "--mean", "--at", "frontier", says="--mean is of one row for each arm")
    refused("study", grid, "--mean", "--at", "frontier", says="--mean is of one row for each arm")


def _at_equal_success(command, refused, grid):
    """A table has the success after each step: its runs are read where the study's own are."""
    for number, metrics in enumerate(sorted(grid.parent.glob("runs/two/*/*/metrics.jsonl"))):
        records = [json.loads(line) for line in metrics.read_text().splitlines()]
        for record in records:  # 0.2 and then 0.3 to 0.45 of the two steps
            record["success_rate"] = 0.2 * record["step"] + 0.1 * number * (record["step"] - 1)
        metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert command("study", grid, "--show", "--csv", "rising.csv").exit_code == 0
    asked = ("--at", "success=0.28", "--json")
    stored = json.loads(command("study", "rising.csv", *asked).stdout)["places"]
    for place in stored:
        (own,) = [one for one in _shown(command, grid, asked) if one["place"] == place["place"]]
        theirs = {arm["name"]: arm for arm in own["arms"]}
        for arm in place["arms"]:
            for part in ("points", "differences"):
                found, true = ([one["estimate"] for one in given[part]] for given in (arm, theirs[arm["name"]]))
                assert found == pytest.approx(true, abs=1e-9)
    assert len(stored) == 2 and all(len(place["arms"]) == 2 for place in stored)
    says = "no difference from sharpened at equal training success; where the runs are: counterpoise study FILE"
    refused("study", "rising.csv", *asked[:2], "--against", "sharpened", says=says)
    refused("study", "all.csv", "--at", "success=0.999", says="no run of these tables has a training success of 0.999")


def _shown(command, grid, asked):
    return json.loads(command("study", grid, "--show", *asked).stdout)["places"]


def _a_table_is_the_study(command, refused, grid, told):
    """all.csv gives the tables and the page of the runs, and says what takes the runs."""
    files = ("--csv", "again.csv", "--html", "again.html", "--png", "again.png")
    ours = json.loads(command("study", "all.csv", *files, "--json").stdout)
    assert Path("again.png").read_bytes().startswith(b"\x89PNG")
    assert Path("again.csv").read_text() == Path("all.csv").read_text()
    page, again = (Path(name).read_text().replace("two", "all") for name in ("map.html", "again.html"))
    assert again == page  # but for its title
    assert ours["ks"] == told["ks"] and list(ours["inputs"]) == ["all.csv"] and ours["pending"] == []
    for mine, theirs in zip(ours["places"], told["places"], strict=True):
        assert mine["place"] == theirs["place"]
        for own, arm in zip(mine["arms"], theirs["arms"], strict=True):
            assert (own["name"], own["seeds"]) == (arm["name"], arm["seeds"])
            assert own["differences"] == arm["differences"]
    for asked in ((), ("--against", "nsr", "-k", "1,2,4"), ("--at", "frontier"), ("--at", "steps=1", "--markdown")):
        assert command("study", "all.csv", *asked).stdout == command("study", grid, "--show", *asked).stdout
    refused("study", "all.csv", "--dry-run", says="--dry-run needs the runs, and all.csv is a table of them")
    refused(
        "study", "all.csv", "--confidence", "0.9", says="the intervals of all.csv are at 0.95; others take the runs"
    )
    refused(
        "study", "all.csv", "--against", "grpo", says="is not an arm of these tables; there are: base, sharpened, n"
    )
    refused("study", "all.csv", "--against", "sharpened", says="these tables hold no difference from sharpened; where")
    refused("study", "all.csv", "-k", "3", says="--k 3: these tables hold k = 1, 2, 4; any other takes the runs")
    refused("study", "all.csv", "--at", "steps=9", says="no run of these tables was measured after step 9")
    refused("study", "all.csv", "evaluation.n=4", says="evaluation.n=4 stands behind a table of a study, where only")
    refused("study", "none.csv", says="cannot read the table none.csv: No such file")


def test_the_csv_of_a_grid_has_what_is_beyond_sharpening_once_the_base_was_drawn_colder(command, grid):
    assert command("study", grid, "--against", "sharpened", "--temperature", "0.3", "--csv", "a.csv").exit_code == 0
    # without naming the temperatures again: they are found where they were measured
    shown = command("study", grid, "--show", "--csv", "b.csv", "--html", "b.html")
    assert Path("a.csv").read_text() == Path("b.csv").read_text() and "drawn colder" not in shown.stderr
    with open("b.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["arm"] for row in rows if not row["seed"] and not row["against"]} == {"base", "base at temperature 0.3"}
    # a random policy is right at no temperature
    assert {row["less_sharpened"] for row in rows if row["seed"]} == {"0"}
    assert "Map, less sharpened" in Path("b.html").read_text()
    tabled = command("study", "b.csv", "--against", "sharpened").stdout
    assert tabled == command("study", grid, "--show", "--against", "sharpened", "--temperature", "0.3").stdout


def test_a_grid_side_by_side_says_a_line_for_each_cell(command, grid, monkeypatch, tmp_path):
    from counterpoise.jobs.study import cells as side

    # a cell that tells what a run tells, and trains nothing
    program = tmp_path / "cell.py"
    program.write_text('print(\'{"doing": "training", "done": 1, "total": 2, "right": 0.5}\\n{"ended": "trained"}\')')
    monkeypatch.setattr(side, "_PROGRAM", (sys.executable, str(program)))
    done = command("study", grid, "--jobs", "99")
    assert f"--jobs 99 on {side.usable_cores()} core" in done.stderr
    assert done.stderr.count(": begun") == done.stderr.count(": trained after") == 4
    assert "cell 4 of 4: tasks.max_train=8, psr, seed 0: trained after" in done.stderr
    assert "for the 1 cell to come" in done.stderr
    assert "nothing to show" in done.stderr


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_trained(refused, grid, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    refused("study", grid, "--png", "map.png", says="writing pictures needs the package 'matplotlib'")
    assert not Path("runs").exists()

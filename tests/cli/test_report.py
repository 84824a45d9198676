"""`counterpoise report` on runs that `counterpoise train` made."""

import csv

import pytest


@pytest.fixture
def trained(command, run_file):
    """`trained("a", rule="nsr")`: the directory of a run of two steps with an evaluation before and after."""

    def make(name, *, rule="nsr"):
        sections = {
            "run": {"name": name, "directory": "runs"},
            "credit": {"rule": rule},
            "learner": {"steps": 2, "learning_rate": 1e-3},
            "evaluation": {"before": True, "after": True},
        }
        assert command("train", run_file(name, **sections)).exit_code == 0
        return f"runs/{name}"

    return make


def test_a_page_and_every_other_form(command, trained, tmp_path):
    runs = trained("psr", rule="psr"), trained("nsr")
    result = command(
        *("report", *runs, "-o", "out/page.html", "--title", "Two rules", "--paper", "qwen3-4b"),
        *("--png", "png", "--csv", "csv", "--latex", "table.tex"),
    )
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "out" / "page.html").read_text()
    assert "<title>Two rules</title>" in page
    assert '<th scope="row">credit.rule</th><td class="words">psr</td><td class="words">nsr</td>' in page
    # Both were drawn from the same base, so there is one curve of it.
    assert page.count(">base of") == 0 and '"name":"base"' in page
    assert "out/page.html (2." in result.stdout
    for path in ("png/passk.png", "png/differences.png", "png/training.png", "png/overview.png", "table.tex"):
        assert path in result.stdout and (tmp_path / path).is_file()
    with open(tmp_path / "csv" / "metrics.csv", newline="") as handle:
        steps = {(row["run"], row["step"]) for row in csv.DictReader(handle) if row["metric"] == "reward"}
    assert steps == {("psr", "1"), ("psr", "2"), ("nsr", "1"), ("nsr", "2")}


def test_the_page_is_brought_up_to_date(command, trained, tmp_path):
    run = trained("nsr")
    assert command("report", run).exit_code == 0
    assert "2 of 2" in (tmp_path / "report.html").read_text()
    assert command("train", run, "learner.steps=3").exit_code == 0
    assert command("report", run, "--against", "nsr").exit_code == 0
    assert "3 of 3" in (tmp_path / "report.html").read_text()


def test_a_run_that_was_killed_in_the_middle_of_a_line(command, trained, tmp_path):
    run = trained("nsr")
    metrics = tmp_path / run / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-20])
    result = command("report", run)
    assert result.exit_code == 0
    assert "metrics.jsonl:2: not JSON" in result.stderr and "torn by a kill" in result.stderr


def test_mistakes(refused, trained, jsonl, tmp_path):
    run = trained("nsr")
    refused("report", "runs/nowhere", says="runs/nowhere does not exist")
    refused("report", run, run, says="is given twice")
    refused("report", f"{run}@7", says=("the evaluation of step 7", "evaluated steps: 0, 2"))
    refused("report", run, "--against", "bass", says="no such curve; did you mean 'base'?")
    refused("report", run, "--paper", "gpt-2", says=("unknown published curves 'gpt-2'", "qwen2.5-math-7b:MATH"))
    refused("report", run, "--confidence", "95", says="confidence must lie between 0 and 1")
    refused("report", jsonl("bad.jsonl", {"id": "a", "n": 2, "c": 3}), says="c cannot exceed n")
    assert not (tmp_path / "report.html").exists()

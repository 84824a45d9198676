import hashlib
import json

import pytest
import typer
from typer.testing import CliRunner

from counterpoise.cli.commands.passk import passk
from counterpoise.errors import DataError, UsageError

APP = typer.Typer()
APP.command("passk")(passk)


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts.jsonl"
    path.write_text('{"id":"a","n":4,"c":1}\n\n{"id":2,"n":4,"c":4,"model":"ignored"}\n')
    return path


def run(*arguments):
    return CliRunner().invoke(APP, [str(a) for a in arguments], env={"COLUMNS": "100", "TERM": "dumb"})


def test_table(counts):
    result = run(counts)
    assert result.exit_code == 0
    assert "counts.jsonl: 2 problems" in result.stdout
    assert [line.split("│")[2].strip() for line in result.stdout.splitlines() if line.startswith("│")] == [
        "62.5",
        "75.0",
        "100.0",
    ]


def test_json(counts):
    data = json.loads(run(counts, "--json", "--k", "1,8", "--k", "2").stdout)
    assert [(row["k"], row["estimate"], row["problems"]) for row in data["pass_at_k"]] == [
        (1, 0.625, 2),
        (2, 0.75, 2),
        (8, None, 0),
    ]
    assert data["confidence"] == 0.95


def test_too_few_rollouts_are_a_dash_and_a_note(counts):
    output = run(counts, "--k", 8).stdout
    assert "–" in output
    assert "pass@8 needs 8 scored rollouts" in output


def test_a_seed_fixes_the_output(counts):
    assert run(counts, "--seed", 3).stdout == run(counts, "--seed", 3).stdout


def test_nothing_scored_is_undefined(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id":"a","n":0,"c":0,"unscored":4}\n')
    assert json.loads(run(path, "--json").stdout)["pass_at_k"][0]["estimate"] is None


@pytest.mark.parametrize("k", ["0", "x", "1,,2", "1.5", "²"])
def test_a_k_that_is_no_number_is_named(counts, k):
    error = run(counts, "--k", k).exception
    assert isinstance(error, UsageError)
    assert "--k takes whole numbers from 1, separated by commas, e.g. --k 1,8,64, or all; got" in str(error)


def test_confidence_in_per_cent_is_refused(counts):
    error = run(counts, "--confidence", 95).exception
    assert isinstance(error, UsageError)
    assert "confidence must lie between 0 and 1, e.g. 0.95; got 95" in str(error)


def test_a_malformed_line_is_named(counts):
    counts.write_text('{"id":"a","n":4,"c":7}\n')
    error = run(counts).exception
    assert isinstance(error, DataError)
    assert str(error) == f"{counts}:1: c=7 correct of n=4 rollouts; c cannot exceed n"


def test_help_has_examples():
    assert "counterpoise passk counts.jsonl --k 1,8,64" in run("--help").stdout


def test_other_estimators(counts):
    shown = run(counts, "--metric", "pass^k,area", "--metric", "maj@k").stdout
    rows = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in shown.splitlines() if line.startswith("│")
    }
    # a: C(1,2) = 0, b: 1; areas (1/4 + 1/2)/4 + (1/2 + 1)/4 and 1
    assert (rows["pass^2"], rows["area"], rows["maj@2"]) == ("50.0", "78.1", "–")
    assert "mean@n" not in rows
    assert "counts alone do not say which wrong answers are equal" in " ".join(shown.split())


def test_json_has_every_estimator(counts):
    data = json.loads(run(counts, "--json", "--k", "1,2").stdout)
    found = {(row["metric"], row["k"], row["tau"]): row for row in data["estimates"]}
    assert found["mean@n", None, None]["estimate"] == 0.625
    assert found["cover@tau", None, 0.5]["estimate"] == 0.5
    assert found["maj@k", 2, None]["estimate"] is None
    assert "counts alone" in found["maj@k", 2, None]["reason"]


def test_a_metric_that_does_not_exist_is_named(counts):
    error = run(counts, "--metric", "pas^k").exception
    assert "unknown metric 'pas^k'; did you mean 'pass^k'?" in str(error)


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert "empty.jsonl is empty; expected lines such as" in str(run(path, "--metric", "all").exception)


def test_every_k_and_the_hash_of_the_file(tmp_path):
    file = tmp_path / "counts.jsonl"
    file.write_text("".join(json.dumps({"id": str(row), "n": 6, "c": row % 4}) + "\n" for row in range(8)))
    found = json.loads(run(file, "--k", "all", "--json").stdout)
    assert [row["k"] for row in found["pass_at_k"]] == [1, 2, 3, 4, 5, 6]
    assert found["inputs"] == {"counts.jsonl": hashlib.sha256(file.read_bytes()).hexdigest()}

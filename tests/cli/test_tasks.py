import json

import pytest
from typer.testing import CliRunner

from counterpoise.cli.app import app
from counterpoise.cli.commands.tasks import parse_settings
from counterpoise.errors import UsageError
from counterpoise.tasks.registry import TASKS
from counterpoise.tasks.selfcheck import PROBES


def run(*arguments: str):
    return CliRunner().invoke(app, ["tasks", *arguments])


def test_list_names_every_task_and_its_settings():
    result = run("list")
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines() if line.strip() and line[1] != " "} >= set(TASKS)
    assert "largest_target=100" in result.stdout


def test_show_prints_n_problems_with_question_gold_and_worked_answer():
    result = run("show", "countdown", "count=2", "largest=4", "-n", "3")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 12
    assert lines[0].endswith("  countdown, judged by countdown")
    assert [line.split()[0] for line in lines[1:4]] == ["question", "gold", "worked"]
    assert result.stderr.startswith("3 of the ") and result.stderr.endswith("test problems of countdown\n")


def test_show_reads_a_file_of_problems_and_prints_brackets_as_they_are(tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"question": "solve [bold]x[/bold]=1", "answer": "[1]"}) + "\n")
    result = run("show", "jsonl", f"test={file}", "--split", "test")
    assert result.exit_code == 0, result.stderr
    assert "solve [bold]x[/bold]=1" in result.stdout and "[1]" in result.stdout
    assert result.stderr == "1 of the 1 test problems of jsonl\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "countdwn"], "unknown task 'countdwn'; did you mean 'countdown'?"),
        (["show", "countdown", "larges=3"], "unknown setting 'larges'; did you mean 'largest'?"),
        (["show", "countdown", "count=9"], "count = 9; expected an integer in [2, 5]"),
        (["show", "countdown", "three"], "'three' is not a setting; write key=value, e.g. count=3"),
        (["selfcheck", "countdwn"], "unknown task 'countdwn'; did you mean 'countdown'?"),
    ],
)
def test_a_mistake_is_one_line_and_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_settings_are_toml_values_and_text_otherwise():
    assert parse_settings(["a=3", "b=0.5", "c=true", "d=words", "e=[1, 2]", "f=x=y", "g="]) == {
        "a": 3,
        "b": 0.5,
        "c": True,
        "d": "words",
        "e": [1, 2],
        "f": "x=y",
        "g": "",
    }
    with pytest.raises(UsageError, match="'=3' is not a setting"):
        parse_settings(["=3"])


def test_selfcheck_prints_a_rate_for_each_probe():
    result = run("selfcheck", "countdown", "--sample", "20")
    assert result.exit_code == 0, result.stdout + result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if line.strip().startswith("countdown")]
    assert len(rows) == len(PROBES)
    # 20 problems with one gold response each, all accepted.
    assert rows[0] == ["countdown", "gold", "accepted", "20", "20", "100.0%", "0"]


def test_selfcheck_of_a_verifier_that_rejects_golds_exits_with_1_and_shows_them(tmp_path):
    file = tmp_path / "numbers.jsonl"
    file.write_text("".join(json.dumps({"question": f"q{i}", "answer": "plenty"}) + "\n" for i in range(3)))
    result = run("selfcheck", "jsonl", f"test={file}", "verifier=numeric")
    assert result.exit_code == 1
    assert "error: jsonl: 3 of 3, gold, not accepted, e.g." in result.stderr
    assert "gold 'plenty'" in result.stderr
    assert "the verifier cannot score them: look at the rule above" in " ".join(result.stderr.split())


def test_selfcheck_all_names_the_tasks_it_leaves_out():
    result = run("selfcheck", "all", "--sample", "5")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "jsonl left out: " in result.stderr
    assert "arithmetic" in result.stdout and "countdown" in result.stdout


def test_settings_belong_to_one_task():
    result = run("selfcheck", "all", "count=3")
    assert (result.exit_code, result.stderr) == (2, "error: settings belong to one task; name it instead of 'all'\n")

import json

import pytest
import typer
from typer.testing import CliRunner

from counterpoise.cli.verify import verify
from counterpoise.errors import DataError, UsageError

app = typer.Typer()
app.command()(verify)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def responses(tmp_path):
    path = tmp_path / "responses.jsonl"
    rows = [
        ("72", r"\boxed{72}", True),
        ("72", "#### 71", False),
        ("72", "no idea", False),
        ("0.5", r"\boxed{1/2}", False),
    ]
    path.write_text("".join(json.dumps({"gold": g, "response": r, "ok": k}) + "\n" for g, r, k in rows))
    return path


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=True)


def test_scores_a_file(responses):
    result = run(responses)
    assert result.exit_code == 0, result.output
    records = lines(responses.with_name("responses.jsonl.verdicts.jsonl"))
    assert [record["value"] for record in records] == ["correct", "wrong", "no_answer", "correct"]
    assert [record["rule"] for record in records] == ["boxed/identical", "hash/integer", "none/none", "boxed/number"]
    # 2 of 4.
    assert "correct" in result.output and "50.0%" in result.output


def test_labels_are_compared_by_rule(responses, tmp_path):
    result = run(responses, "--label-field", "ok", "--out", tmp_path / "v.jsonl")
    # Only the last line differs: 3 of 4 agree.
    assert [line.split() for line in result.output.splitlines() if line.split()[:1] == ["all"]] == [
        ["all", "1", "2", "1", "0", "75.00%"]
    ]


def test_goes_on_where_it_stopped(responses):
    run(responses)
    out = responses.with_name("responses.jsonl.verdicts.jsonl")
    whole = lines(out)
    # The third verdict is lost and the fourth torn.
    text = out.read_text().splitlines(keepends=True)
    out.write_text(text[0] + text[1] + text[3][:20])
    result = run(responses)
    assert "2 lines have a verdict" in result.output
    kept = [json.loads(line) for line in out.read_text().splitlines() if line.endswith("}")]
    assert [{**r, "seconds": 0} for r in kept] == [{**r, "seconds": 0} for r in whole]
    assert len(lines_of_third_run(responses, out)) == len(out.read_text().splitlines())


def lines_of_third_run(responses, out):
    run(responses)
    return out.read_text().splitlines()


def test_a_file_that_changed_is_refused(responses):
    run(responses)
    responses.write_text(responses.read_text().replace("no idea", "no clue"))
    result = run(responses)
    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith("line 3 is not what it was when its verdict was written")


def test_unscored_lines_raise_an_alarm(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": "many", "response": "7"}\n')
    result = run(path, "--verifier", "numeric")
    assert "warning: 100.0% of the lines are unscored, more than 1.0%" in result.output
    assert "unparsable gold" in result.output


def test_messages(responses, tmp_path):
    for args, kind, message in (
        (
            (responses, "--literal", "--verifier", "exact"),
            UsageError,
            "--literal is a setting of the verifier math, not of exact",
        ),
        ((responses, "--out", responses), UsageError, "is the file that is read; name another one"),
        ((tmp_path / "none",), DataError, "none: No such file or directory"),
    ):
        result = run(*args)
        assert isinstance(result.exception, kind)
        assert message in str(result.exception)
    (tmp_path / "empty").write_text("\n")
    assert str(run(tmp_path / "empty").exception) == "the file has no line to score"


def test_what_was_scored_before_a_malformed_line_is_kept(tmp_path, monkeypatch):
    import counterpoise.cli.verify as module

    monkeypatch.setattr(module, "_CHUNK", 1)
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": "7", "response": "7"}\nnonsense\n')
    result = run(path)
    assert isinstance(result.exception, DataError)
    assert "r.jsonl:2: not JSON" in str(result.exception)
    assert len(lines(tmp_path / "r.jsonl.verdicts.jsonl")) == 1


def test_help_has_examples():
    assert "counterpoise verify responses.jsonl" in run("--help").output

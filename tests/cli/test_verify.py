import importlib.util
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from counterpoise.cli.commands.verify import verify
from counterpoise.errors import DataError, UsageError
from counterpoise.verifiers.judge import Judge

_SPEC = importlib.util.spec_from_file_location(
    "chat_server", Path(__file__).parents[1] / "verifiers" / "guests" / "chat_server.py"
)
assert _SPEC is not None and _SPEC.loader is not None
chat_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(chat_server)

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


def test_who_is_at_fault_is_an_option(responses, monkeypatch):
    given = []

    class Told(Judge):
        def __init__(self, **settings):
            given.append(settings["blame"])
            super().__init__(**settings)

    monkeypatch.setattr("counterpoise.verifiers.judge.Judge", Told)
    assert run(responses).exit_code == 0
    assert run(responses, "--blame", "none").exit_code == 0  # all lines are judged already
    assert run(responses, "--blame", "me").exit_code == 2
    assert given == ["answer", "none"]


def test_unscored_lines_raise_an_alarm(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": "many", "response": "7"}\n')
    result = run(path, "--verifier", "numeric")
    assert (
        "warning: 100.0% of the lines are unscored, more than 1.0%; the reasons are in the table; see that --gold-field names the right "
        "answer and that --verifier can read it\n"
    ) in result.output
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


def test_verdicts_are_written_as_they_are_reached(tmp_path, monkeypatch):
    import counterpoise.cli.commands.verify as module
    from counterpoise.verifiers.judge import Judge

    monkeypatch.setattr(module, "_SECONDS", 0.0)
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": "7", "response": "7"}\n' * 100)
    out, seen, verify = tmp_path / "r.jsonl.verdicts.jsonl", [], Judge.verify

    def watched(self, problems, responses, truncated=None):
        seen.append(len(lines(out)) if out.exists() else 0)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return verify(self, problems, responses, truncated)

    monkeypatch.setattr(Judge, "verify", watched)
    run(path)
    # math may hang: two lines for its one worker, then, because that took longer than 0 s, one at a time
    assert (seen, len(lines(out))) == ([0, 2, 3, 4], 4)


def test_as_many_lines_are_judged_together_as_take_a_second():
    from counterpoise.cli.commands.verify import _Pace

    pace = _Pace(2, quick=False)
    sizes = []
    for seconds in (0.1, 0.1, 0.1, 0.5, 5.0, 5.0, 5.0, 5.0, 0.1):
        pace.took(seconds, pace.size)
        sizes.append(pace.size)
    assert sizes == [8, 16, 32, 32, 16, 8, 4, 2, 4]
    for _ in range(20):
        pace.took(0.0, pace.size)
    assert pace.size == 512
    assert _Pace(1, quick=True).size == 512
    judge = _Pace(32, quick=True)  # one that asks about many at a time
    judge.took(60.0, judge.size)
    judge.took(60.0, judge.size)
    assert judge.size == 32


def test_responses_that_begin_inside_a_thought(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"gold": "5", "response": "\\\\boxed{5} wait"}\n{"gold": "5", "response": "no</think>\\\\boxed{5}"}\n'
    )
    assert run(path, "--in-thought").exit_code == 0
    assert [line["value"] for line in lines(tmp_path / "r.jsonl.verdicts.jsonl")] == ["no_answer", "correct"]
    assert "line 1 is not what it was" in str(run(path).exception)


def test_golds_that_are_numbers_lists_and_worked_answers(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"gold": 5, "response": "5"}\n{"gold": [4, "5"], "response": "5"}\n{"gold": "2+3\\n#### 5", "response": "5"}\n'
    )
    for verifier in ("math", "numeric", "exact"):
        run(path, "--verifier", verifier, "--out", tmp_path / verifier)
        assert [line["value"] for line in lines(tmp_path / verifier)] == ["correct"] * 3


def test_what_was_scored_before_a_malformed_line_is_kept(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": "7", "response": "7"}\nnonsense\n')
    result = run(path)
    assert isinstance(result.exception, DataError)
    assert "r.jsonl:2: not JSON" in str(result.exception)
    assert len(lines(tmp_path / "r.jsonl.verdicts.jsonl")) == 1


def test_help_has_examples():
    assert "counterpoise verify responses.jsonl" in run("--help").output


ANSWERS = [
    {"q": "Which city?", "gold": ["New York"], "response": "new york", "ok": True},
    {"q": "Which city?", "gold": ["New York"], "response": "NYC", "ok": True},
    {"q": "Which city?", "gold": ["New York"], "response": "Boston", "ok": True},
    {"q": "Which city?", "gold": "New York", "response": "I don't know", "ok": False},
]


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ANSWERS))
    return path


def rows_of_rules(output):
    return {line.split()[0]: line.split()[1:] for line in output.splitlines() if "%" in line and len(line.split()) == 6}


def test_short_answers_and_settings(answers):
    result = run(answers, "--verifier", "qa", "--label-field", "ok", "--set", "max_words=1")
    assert result.exit_code == 0, result.output
    assert rows_of_rules(result.output) == {
        "last_line/abstention": ["0", "1", "0", "0", "100.00%"],
        "last_line/different": ["0", "0", "0", "2", "0.00%"],
        "last_line/exact": ["1", "0", "0", "0", "100.00%"],
        "all": ["1", "1", "0", "2", "50.00%"],
    }
    assert isinstance(run(answers, "--question-field", "q").exception, UsageError)


def test_a_language_model_is_measured_on_labels(answers, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = chat_server.ChatServer()
    try:
        result = run(
            *(answers, "--verifier", "llm", "--question-field", "q", "--label-field", "ok"),
            *("--set", f"url={server.url}", "--set", "model=tiny"),
        )
    finally:
        server.close()
    assert result.exit_code == 0, result.output
    assert rows_of_rules(result.output) == {
        "last_line/abstention": ["0", "1", "0", "0", "100.00%"],
        "last_line/exact": ["1", "0", "0", "0", "100.00%"],
        "last_line/llm": ["1", "0", "0", "1", "50.00%"],
        "all": ["2", "1", "0", "1", "75.00%"],
    }
    assert "Which city?" in server.seen[0]["messages"][1]["content"]


def test_a_language_model_is_off_until_an_endpoint_is_named(answers, monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_JUDGE_URL", raising=False)
    assert "verifier llm: no url" in str(run(answers, "--verifier", "llm").exception)

import json

import pytest

from counterpoise.errors import DataError
from counterpoise.verifiers.responses import ResponseLine, read_responses, read_verdicts


def write(tmp_path, *lines):
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_lines_are_read_with_their_numbers(tmp_path):
    path = write(tmp_path, '{"a": 72, "b": "x", "ok": "Correct"}', "", '{"a": "7", "b": "y", "ok": 0}')
    rows = list(read_responses(path, gold_field="a", response_field="b", label_field="ok"))
    assert rows == [
        ResponseLine(line=1, gold="72", response="x", label=True),
        ResponseLine(line=3, gold="7", response="y", label=False),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"gold": "7"', r'r\.jsonl:2: not JSON: .*; expected an object such as \{"gold": "72", "response": "…"\}'),
        ("[1]", r"r\.jsonl:2: a JSON list, not an object; expected an object such as"),
        (
            '{"gold": "7", "output": "7"}',
            r"r\.jsonl:2: no field 'response'; the line has: gold, output \(name it with --response-field\)",
        ),
        ('{"gold": " ", "response": "7"}', r"r\.jsonl:2: the field 'gold' is empty; nothing can be compared with it"),
        (
            '{"gold": [["7"]], "response": "7"}',
            r"r\.jsonl:2: the field 'gold' is an empty or nested list, expected text, a number or a list of right answers",
        ),
        (
            '{"gold": [], "response": "7"}',
            r"r\.jsonl:2: the field 'gold' is an empty or nested list, expected text, a number or a list of right answers",
        ),
        (
            '{"gold": {"a": 1}, "response": "7"}',
            r"r\.jsonl:2: the field 'gold' is a dict, expected text, a number or a list of right answers",
        ),
        (
            '{"gold": true, "response": "7"}',
            r"r\.jsonl:2: the field 'gold' is a bool, expected text, a number or a list of right answers",
        ),
    ],
)
def test_malformed_lines_are_named(tmp_path, line, message):
    path = write(tmp_path, '{"gold": "7", "response": "7"}', line)
    with pytest.raises(DataError, match=message):
        list(read_responses(path))


def test_labels_and_files_that_are_not_there(tmp_path):
    path = write(tmp_path, '{"gold": "7", "response": "7", "ok": "maybe"}')
    with pytest.raises(
        DataError, match=r"r\.jsonl:1: the label field 'ok' is 'maybe', expected one of 1, true, yes, correct"
    ):
        list(read_responses(path, label_field="ok"))
    with pytest.raises(DataError, match=r"cannot read .*none\.jsonl: No such file or directory"):
        list(read_responses(tmp_path / "none.jsonl"))


def test_verdicts_of_another_version_are_refused_and_damaged_ones_skipped(tmp_path):
    path = write(tmp_path, json.dumps({"line": 1, "verifier": "math", "version": "1"}), '{"line": 2, "ver')
    assert [
        record["line"] for record in read_verdicts(path, verifier="math", version="1", on_damage=lambda damage: None)
    ] == [1]
    with pytest.raises(
        DataError, match=r"holds verdicts of math 1, not of math 2; write to another file with --out, or delete it"
    ):
        list(read_verdicts(path, verifier="math", version="2", on_damage=lambda damage: None))


def test_lists_of_golds_and_questions(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"gold": ["a", "é"], "response": "x", "q": "?"}\n{"gold": "b", "response": "y", "q": "!"}\n')
    assert [row.gold for row in read_responses(path)] == ['["a", "é"]', "b"]
    assert [row.gold for row in read_responses(path, question_field="q")] == [
        '{"question": "?", "answers": ["a", "é"]}',
        '{"question": "!", "answers": ["b"]}',
    ]
    with pytest.raises(DataError, match=r"no field 'question'; .*name it with --question-field"):
        list(read_responses(path, question_field="question"))

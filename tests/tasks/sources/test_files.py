import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from counterpoise.errors import ConfigError, DataError, MissingExtraError
from counterpoise.tasks.shared.records import records
from counterpoise.tasks.sources.files import JsonlTask, ParquetTask
from counterpoise.tasks.sources.scibench import Scibench


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in records))
    return path


def record(question: str, answer: str = "2") -> dict[str, str]:
    return {"question": question, "answer": answer}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def test_fields_are_mapped(file: Path) -> None:
    write(file, {"q": " 1+1=? ", "a": "2", "kind": "sum", "why": "one and one"})
    task = JsonlTask(
        train=file,
        question="q",
        gold="a",
        task_type_field="kind",
        verifier="numeric",
        demonstration="why",
        template="plain",
    )
    (problem,) = task.problems("train")
    assert (problem.question, problem.gold, problem.task_type) == ("1+1=?", "2", "sum")
    assert (problem.verifier, problem.demonstration, task.template) == ("numeric", "one and one", "plain")


def test_a_problem_knows_its_line_which_is_no_part_of_what_it_is(file: Path, tmp_path: Path) -> None:
    write(file, record("a"), "", record("b"))
    moved = write(tmp_path / "moved.jsonl", record("b"))
    first, second = JsonlTask(train=file).problems("train")
    assert (first.source, second.source) == (f"{file}:1", f"{file}:3")  # the blank line counts
    (again,) = JsonlTask(train=moved).problems("train")
    assert again == second
    assert again.source == f"{moved}:1"


def test_order_is_the_files_and_blank_lines_and_byte_order_mark_are_skipped(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + b'{"question": "a", "answer": "1"}\r\n\n  \n{"question": "b", "answer": "2"}')
    assert [p.question for p in JsonlTask(train=file).problems("train")] == ["a", "b"]


def test_one_file_is_split_by_content_whatever_its_order(tmp_path: Path) -> None:
    records = [record(f"question {i}") for i in range(400)]
    forward = JsonlTask(path=write(tmp_path / "a.jsonl", *records), test_fraction=0.25)
    backward = JsonlTask(path=write(tmp_path / "b.jsonl", *records[::-1]), test_fraction=0.25)
    train, test = forward.problems("train"), forward.problems("test")
    assert len(train) + len(test) == 400
    assert 65 < len(test) < 135  # 100 expected, standard deviation 8.7
    assert {p.problem_id for p in test} == {p.problem_id for p in backward.problems("test")}
    assert not {p.problem_id for p in train} & {p.problem_id for p in test}


def test_duplicates_are_kept_once_and_counted(file: Path) -> None:
    write(file, record("a  b"), record("a b"), record("a\nb", "3"), record("c"))
    loaded = JsonlTask(train=file).loaded("train")
    assert [(p.question, p.gold) for p in loaded.problems] == [("a  b", "2"), ("c", "2")]
    assert (loaded.duplicates, loaded.conflicts) == (2, 1)


def test_the_same_question_of_another_kind_is_another_problem(file: Path) -> None:
    write(file, record("a") | {"kind": "x"}, record("a") | {"kind": "y"})
    assert JsonlTask(train=file, task_type_field="kind").loaded("train").duplicates == 0


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (28, "28"),
        (2.5, "2.5"),
        (["Canberra", "x"], '["Canberra", "x"]'),
        ([3, "three"], '["3", "three"]'),
        ([7], "7"),
        ("She has 16 - 3.\n#### 18", "18"),
    ],
)
def test_golds_that_are_no_text(file: Path, answer: object, gold: str) -> None:
    write(file, {"question": "a", "answer": answer})
    assert [problem.gold for problem in JsonlTask(train=file).problems("train")] == [gold]


def test_contamination_is_refused_with_a_count(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", *(record(f"q{i}") for i in range(5)))
    test = write(tmp_path / "test.jsonl", record("q3", "other"), record("q4 "), record("new"))
    message = r"task 'jsonl': 2 of 3 test problems are also in the training file \(first: 'q3'\); remove them .* allow_overlap=true"
    with pytest.raises(DataError, match=message):
        JsonlTask(train=train, test=test).problems("test")
    assert len(JsonlTask(train=train, test=test, allow_overlap=True).problems("test")) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"question": "b", ',
            """data.jsonl:2: expected one JSON object, found '{"question": "b",' (not JSON: Expecting""",
        ),
        ("[1, 2]", "data.jsonl:2: expected one JSON object, found an array; write one {…} per line"),
        ("null", "data.jsonl:2: expected one JSON object, found null"),
        (
            '{"qestion": "b", "answer": "2"}',
            "data.jsonl:2: no field 'question'; did you mean 'qestion'? The fields are: qestion, answer",
        ),
        ("{}", "data.jsonl:2: no field 'question'; the fields are: none"),
        (
            '{"question": "b", "answer": true}',
            "data.jsonl:2: field 'answer': expected text, a number or a list of them, found a boolean 'True'",
        ),
        (
            '{"question": "b", "answer": []}',
            "data.jsonl:2: field 'answer': expected text, a number or a list of them, found an array '[]'",
        ),
        (
            '{"question": ["b"], "answer": "2"}',
            'data.jsonl:2: field \'question\', message 1: expected {"role": "user", "content": "…"}, found \'b\'',
        ),
        (
            '{"question": 3, "answer": "2"}',
            "data.jsonl:2: field 'question': expected text, found a number '3'; write it between quotes",
        ),
        ('{"question": {"a": 1}, "answer": "2"}', "field 'question': expected text, found an object \"{'a': 1}\""),
        (
            '{"question": "b", "answer": null}',
            "data.jsonl:2: field 'answer': expected text, a number or a list of them, found null",
        ),
        ('{"question": "b", "answer": "  "}', "data.jsonl:2: field 'answer' is empty; fill it or remove the record"),
        ("[" * 100_000, "data.jsonl:2: expected one JSON object, found '[["),
    ],
)
def test_malformed_line_says_where_and_what(file: Path, line: str, message: str) -> None:
    write(file, record("a"), line)
    with pytest.raises(DataError, match=re.escape(message)):
        JsonlTask(train=file).problems("train")


def test_bad_encoding_says_where(file: Path) -> None:
    file.write_bytes(b'{"question": "a", "answer": "1"}\n{"question": "caf\xe9", "answer": "1"}\n')
    with pytest.raises(
        DataError, match=r"data\.jsonl:2: expected UTF-8 text, found byte 0xe9 at column 18; convert .*iconv"
    ):
        JsonlTask(train=file).problems("train")


def test_missing_file_directory_and_empty_file(tmp_path: Path, file: Path) -> None:
    with pytest.raises(
        DataError, match=r"task 'jsonl': train=nowhere\.jsonl does not exist \(looked in .*\); check the path"
    ):
        JsonlTask(train="nowhere.jsonl").problems("train")
    with pytest.raises(
        DataError, match=r"holds no \.parquet or \.jsonl file, only: nothing; give the folder that holds them"
    ):
        JsonlTask(train=tmp_path).problems("train")
    with pytest.raises(
        DataError, match=r"task 'jsonl' has no train problems: .*data\.jsonl is empty; give a file with some"
    ):
        JsonlTask(train=write(file)).problems("train")


def test_empty_side_of_one_file(file: Path) -> None:
    write(file, record("a"))
    with pytest.raises(
        DataError, match=r"task 'jsonl' has no test problems: .* holds 1, and test_fraction=0\.0 puts all"
    ):
        JsonlTask(path=file, test_fraction=0.0).problems("test")


def test_contradicting_settings(file: Path) -> None:
    with pytest.raises(ConfigError, match="task 'jsonl' needs a file: give train=FILE and test=FILE"):
        JsonlTask()
    with pytest.raises(ConfigError, match=r"give either path .* or train and test, not both"):
        JsonlTask(path=file, train=file)
    with pytest.raises(ConfigError, match=r"task jsonl: test_fraction = 1\.5; expected a number in \[0, 1\]"):
        JsonlTask(path=file, test_fraction=1.5)
    with pytest.raises(
        ConfigError, match=r"task 'jsonl' has no test file; give it with test=FILE \(tasks\.test in a run file\)"
    ):
        JsonlTask(train=write(file, record("a"))).problems("test")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "x.jsonl", record("a"))
    assert len(JsonlTask(train="~/x.jsonl").problems("train")) == 1


def table(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_gives_the_same_problems_as_jsonl_but_for_the_kind(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", record("a", "1"), record("b", "2"))
    rows = table(tmp_path / "a.parquet", question=["a", "b"], answer=["1", "2"], unused=[b"\x00", b"\x01"])
    assert ParquetTask(train=rows, task_type="jsonl").problems("train") == JsonlTask(train=lines).problems("train")


def test_parquet_complaints_name_the_row_or_the_column(tmp_path: Path) -> None:
    rows = table(tmp_path / "a.parquet", question=["a", "b"], answer=["1", None])
    with pytest.raises(
        DataError, match=r"a\.parquet: row 2: field 'answer': expected text, a number or a list of them, found null"
    ):
        ParquetTask(train=rows).problems("train")
    numbers = table(tmp_path / "b.parquet", question=["a", "b"], answer=[28, 3])
    assert [problem.gold for problem in ParquetTask(train=numbers).problems("train")] == ["28", "3"]
    lists = table(tmp_path / "c.parquet", question=["a"], answer=[["Canberra", "x"]])
    assert [problem.gold for problem in ParquetTask(train=lists).problems("train")] == ['["Canberra", "x"]']
    with pytest.raises(
        DataError, match=r"a\.parquet: no column 'answers'; did you mean 'answer'\? The columns are: question, answer"
    ):
        ParquetTask(train=rows, gold="answers").problems("train")


def test_broken_parquet(tmp_path: Path) -> None:
    rows = table(tmp_path / "a.parquet", question=["a"], answer=["1"])
    rows.write_bytes(rows.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: not a readable Parquet file \(.*\); copy it again"):
        ParquetTask(train=rows).problems("train")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(tmp_path / "a.parquet", question=["a"], answer=["1"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingExtraError, match=r"a Parquet file of problems needs the package 'pyarrow'.*pip install 'pyarrow>=17'"
    ):
        ParquetTask(train=rows).problems("train")


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
def test_a_named_pipe_is_refused_and_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="a named pipe, not a regular file"):
        list(records(tmp_path / name, ["question"]))
    for task in (JsonlTask(path=tmp_path / name), Scibench(path=tmp_path / name)):
        with pytest.raises(DataError, match=rf"{name} is a named pipe, not a regular file; write what it gives to"):
            task.problems("train")


@pytest.mark.parametrize(
    ("value", "worked"), [(41, "41"), (2.5, "2.5"), ("so 41", "so 41"), (True, None), ([41], None)]
)
def test_a_worked_answer_may_be_a_bare_number(tmp_path: Path, value: Any, worked: str | None) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps({"question": "40+1=", "answer": 41, "why": value}) + "\n")
    task = JsonlTask(test=path, demonstration="why")
    if worked is None:
        with pytest.raises(DataError, match="field 'why': expected text"):
            task.problems("test")
    else:
        assert task.problems("test")[0].demonstration == worked

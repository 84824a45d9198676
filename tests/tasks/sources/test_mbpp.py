import json

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.sources.mbpp import Mbpp

FULL = [
    {
        "task_id": 11,
        "text": "Write a function to add two numbers.",
        "code": "def add(a, b):\r\n\treturn a + b",
        "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4", "assert add(0, 0) == 0"],
        "test_setup_code": "",
        "challenge_test_list": ["assert add(-1, 1) == 0"],
    },
    {
        "task_id": 12,
        "text": "Write a function to find the longest chain.",
        "code": (
            "class Pair(object):\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
            "def chain(pairs):\n    return max(p.b - p.a for p in pairs)"
        ),
        "test_list": ["assert chain([Pair(5, 24), Pair(1, 2)]) == 19"],
        "test_setup_code": "",
        "challenge_test_list": [],
    },
]
SANITIZED = [
    {
        "source_file": "Benchmark Questions Verification V2.ipynb",
        "task_id": 13,
        "prompt": "Write a function to halve a number.",
        "code": "def half(x):\n    return x / 2",
        "test_imports": ["import math"],
        "test_list": ["assert math.isclose(half(3), 1.5)"],
    }
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_full_sets_shape(tmp_path):
    first, second = Mbpp(test=write(tmp_path / "mbpp.jsonl", FULL), shown_tests=1).problems("test")
    assert first.question.startswith(
        "Write a function to add two numbers.\nYour code must pass these tests:\nassert add(1, 2) == 3\nGive"
    )
    assert json.loads(first.gold) == {
        "kind": "asserts",
        "setup": "",
        "tests": "\n".join(FULL[0]["test_list"]),
        "program_names": ["add"],
    }
    assert (first.verifier, first.task_type, first.meta) == ("code", "mbpp", {"name": "MBPP/11"})
    assert second.demonstration.startswith("```python\nclass Pair")


def test_challenge_tests_are_judged_and_not_shown(tmp_path):
    problem = Mbpp(test=write(tmp_path / "mbpp.jsonl", FULL), challenge=True).problems("test")[0]
    assert "add(-1, 1)" in problem.gold and "add(-1, 1)" not in problem.question


def test_the_sanitized_sets_shape(tmp_path):
    (problem,) = Mbpp(test=write(tmp_path / "s.jsonl", SANITIZED)).problems("test")
    assert json.loads(problem.gold)["setup"] == "import math" and problem.question.startswith(
        "Write a function to halve a number."
    )


@pytest.mark.parametrize("rows", [FULL, SANITIZED])
def test_parquet_holds_the_same(tmp_path, rows):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    lines = Mbpp(test=write(tmp_path / "m.jsonl", rows)).problems("test")
    assert Mbpp(test=tmp_path / "m.parquet").problems("test") == lines


def test_a_function_named_like_one_of_pythons(tmp_path):
    row = FULL[0] | {"code": "def helper(x): ...\ndef sum(a, b): return a * b", "test_list": ["assert sum(2, 3) == 6"]}
    (problem,) = Mbpp(test=write(tmp_path / "m.jsonl", [row])).problems("test")
    assert json.loads(problem.gold)["program_names"] == ["sum"]


def test_mistakes(tmp_path):
    with pytest.raises(ConfigError, match="task 'mbpp' needs a file"):
        Mbpp()
    with pytest.raises(ConfigError, match=r"task mbpp: shown_tests = 0; expected an integer in \[1, inf\)"):
        Mbpp(path="x", shown_tests=0)
    with pytest.raises(DataError, match=r"m\.jsonl:1: field 'test_list': expected at least one assert, found an array"):
        Mbpp(test=write(tmp_path / "m.jsonl", [FULL[0] | {"test_list": []}])).problems("test")
    with pytest.raises(DataError, match=r"m\.jsonl:1: field 'test_list': expected a list of texts, found a number '3'"):
        Mbpp(test=write(tmp_path / "m.jsonl", [FULL[0] | {"test_list": 3}])).problems("test")
    with pytest.raises(DataError, match=r"m\.jsonl:1: no field 'prompt'"):
        Mbpp(test=write(tmp_path / "m.jsonl", [{"test_list": ["assert 1"]}])).problems("test")

import base64
import json
import pickle
import zlib

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.sources.stdio import Stdio

PLAIN = {
    "question": "Square a number.",
    "inputs": ["3\n", "5\n"],
    "outputs": ["9\n", "25\n"],
    "solution": "print(int(input()) ** 2)",
}
APPS = {
    "problem_id": 1,
    "question": "Cube a number.",
    "solutions": json.dumps(["print(int(input()) ** 3)", "x"]),
    "input_output": json.dumps({"inputs": ["2\n", ["3"]], "outputs": ["8\n", ["27"]]}),
    "difficulty": "introductory",
    "url": "https://example.com/1",
    "starter_code": "",
}
APPS_FUNCTION = {
    "question": "Add two numbers.",
    "solutions": json.dumps(["class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b"]),
    "input_output": json.dumps({"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], 7]}),
    "starter_code": "class Solution:\n    def add(self, a: int, b: int) -> int:",
}
PRIVATE = [{"input": "7\n", "output": "14\n", "testtype": "stdin"}]
LIVECODEBENCH = {
    "question_title": "Double",
    "question_content": "Double a number.",
    "question_id": "abc",
    "public_test_cases": json.dumps([{"input": "2\n", "output": "4\n", "testtype": "stdin"}]),
    "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(json.dumps(PRIVATE)))).decode(),
    "metadata": "{}",
    "starter_code": "",
    "difficulty": "easy",
}
LIVECODEBENCH_FUNCTION = LIVECODEBENCH | {
    "question_content": "Repeat a text.",
    "public_test_cases": json.dumps([{"input": '"ab"\n2', "output": '"abab"', "testtype": "functional"}]),
    "private_test_cases": "[]",
    "metadata": json.dumps({"func_name": "repeat"}),
    "starter_code": "class Solution:\n    def repeat(self, s: str, n: int) -> str:\n        ",
}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(tmp_path, *rows):
    return Stdio(test=write(tmp_path / "p.jsonl", rows)).problems("test")


def test_plain_lists(tmp_path):
    (problem,) = load(tmp_path, PLAIN)
    assert json.loads(problem.gold) == {"inputs": ["3\n", "5\n"], "outputs": ["9\n", "25\n"]}
    assert (problem.verifier, problem.task_type) == ("stdio", "stdio")
    assert problem.question.startswith("Square a number.\n\nWrite a Python program that reads standard input")
    assert problem.demonstration == "```python\nprint(int(input()) ** 2)\n```"


def test_apps_and_taco(tmp_path):
    (problem,) = load(tmp_path, APPS)
    # Some inputs are lists of lines.
    assert json.loads(problem.gold) == {"inputs": ["2\n", "3"], "outputs": ["8\n", "27"]}
    assert problem.meta == {"difficulty": "introductory", "url": "https://example.com/1", "problem_id": 1}
    assert "** 3" in problem.demonstration


def test_functions_go_to_the_other_verifier(tmp_path):
    apps, live = load(tmp_path, APPS_FUNCTION, LIVECODEBENCH_FUNCTION)
    gold = json.loads(apps.gold)
    assert (apps.verifier, apps.task_type, gold["kind"], gold["entry_point"]) == (
        "code",
        "functions",
        "cases",
        "Solution().add",
    )
    assert gold["cases"] == [[[1, 2], [3]], [[3, 4], 7]]
    assert "Begin with:\n```python\nclass Solution" in apps.question
    assert json.loads(live.gold)["cases"] == [[["ab", 2], "abab"]]


def test_livecodebench(tmp_path):
    (problem,) = load(tmp_path, LIVECODEBENCH)
    assert json.loads(problem.gold) == {"inputs": ["2\n", "7\n"], "outputs": ["4\n", "14\n"]}
    assert problem.demonstration is None


class Bomb:
    def __reduce__(self):
        return print, ("this must not run",)


def test_packed_tests_run_nothing(tmp_path, capsys):
    packed = base64.b64encode(zlib.compress(pickle.dumps(Bomb()))).decode()
    with pytest.raises(
        DataError, match=r"p\.jsonl:1: field 'private_test_cases': expected JSON, .*it holds builtins\.print"
    ):
        load(tmp_path, LIVECODEBENCH | {"private_test_cases": packed})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": ["1"], "outputs": []}, "field 'outputs': expected as many outputs as inputs, at least one"),
        ({"inputs": [{}], "outputs": ["1"]}, "field 'inputs': expected texts or lists of lines"),
        ({"input_output": "{"}, "field 'input_output': expected JSON"),
        ({"input_output": "[]"}, "field 'input_output': expected an object with 'inputs' and 'outputs'"),
        (
            {"public_test_cases": '[{"testtype": "functional"}]'},
            "field 'metadata': expected a 'func_name' for functional tests",
        ),
        ({"public_test_cases": "[]", "private_test_cases": "!!"}, "field 'private_test_cases': expected JSON"),
        ({"question": ""}, "field 'question' is empty"),
    ],
)
def test_mistakes(tmp_path, change, message):
    with pytest.raises(DataError, match=r"p\.jsonl:1: ") as caught:
        load(tmp_path, PLAIN | change)
    assert message in str(caught.value)


def test_a_file_is_needed():
    with pytest.raises(ConfigError, match="task 'stdio' needs a file"):
        Stdio()


@pytest.mark.slow
def test_selfcheck(tmp_path, self_check):
    problems = load(tmp_path, PLAIN, APPS, APPS_FUNCTION, LIVECODEBENCH | {"solution": "print(2 * int(input()))"})
    report = self_check(problems, task="stdio")
    assert {probe.name: probe.offences for probe in report.probes if not probe.ok} == {}

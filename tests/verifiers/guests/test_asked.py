import json

import pytest

from counterpoise.verifiers.guests.asked import asked_names


def names(tests, *, kind="asserts", setup="", **more):
    return asked_names({"kind": kind, "setup": setup, "tests": tests} | more)


@pytest.mark.parametrize(
    ("tests", "setup", "asked"),
    [
        ("assert add(1, 2) == 3", "", ["add"]),
        ("assert sorted(f([2, 1])) == [1, 2]", "", ["f"]),
        ("assert sum(10, 15) == 6\nassert sum(100, 150) == 93", "", ["sum"]),
        ("assert math.isclose(area(2), 4.0)", "", ["area"]),
        ("assert close(f(1), 2)", "def close(a, b):\n    return abs(a - b) < 1", ["f"]),
        ("for x in range(3):\n    assert f(x) == x", "", ["f"]),
        ("assert [f(x) for x in (1, 2)] == [1, 2]", "import math", ["f"]),
        ("assert Solution().run(1) == 2", "", ["Solution"]),
    ],
)
def test_the_only_name_nobody_defines_is_the_programs(tests, setup, asked):
    assert names(tests, setup=setup) == asked


def test_a_helper_that_nobody_defines_must_be_listed():
    tests = "assert is_close(f(1), 2)"
    assert names(tests) == ("the tests use f, is_close, which nobody defines; list the program's in program_names")
    assert names(tests, program_names=["f"]) == ["f"]


def test_tests_that_never_ask_the_program():
    assert names("assert 1 + 1 == 2") == []
    assert names("assert set(sum(1, 2)) == 3") == "no test asks the program; name its functions in program_names"


def test_the_prompt_of_a_check_defines_what_its_tests_may_ask():
    prompt = "import math\n\ndef poly(xs: list, x: float):\n    return 0\n\n\ndef find_zero(xs: list):\n    '''doc'''\n"
    found = names("def check(f):\n    assert poly(1, f(1)) == 0", kind="check", prompt=prompt, entry_point="find_zero")
    assert found == ["find_zero", "poly", "find_zero"]


@pytest.mark.parametrize(
    ("tests", "listed", "program", "passed"),
    [
        # the tests' sum is the program's where the gold asks for it, and Python's where not
        ("assert sum(10, 15) == 6", ["sum"], {"sum": lambda a, b: 6}, 1),
        ("assert f(1) == sum([1, 1])", ["f"], {"f": lambda x: 2, "sum": lambda xs: 7}, 1),
        # a helper that the program defines is none of the tests'
        ("assert is_close(f(1), 2)", ["f"], {"f": lambda x: 0, "is_close": lambda a, b: True}, 0),
        ("assert is_close(f(1), 2)", ["f", "is_close"], {"f": lambda x: 0, "is_close": lambda a, b: True}, 1),
    ],
)
def test_the_program_is_asked_for_listed_names_alone(monkeypatch, tests, listed, program, passed):
    from counterpoise.verifiers.sandbox.examiner import Examination

    exam = {"kind": "asserts", "setup": "", "tests": tests, "entry_point": None, "program_names": listed}
    monkeypatch.setattr(Examination, "function", lambda self, name: program[name])
    # the line: ["l", "verdict", passed, all, calls, ended, whole]
    assert json.loads(Examination(exam, bytearray()).run())[2:4] == [passed, 1]

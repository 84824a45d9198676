import json
import os

import pytest

from counterpoise.errors import ConfigError
from counterpoise.types import VerdictValue
from counterpoise.verifiers.guests.stdio import StdioVerifier, same_output
from counterpoise.verifiers.sandbox.job import Script
from counterpoise.verifiers.sandbox.levels import best_level, discard_sandbox, thread_sandbox

GOLD = json.dumps({"inputs": ["3\n", "12\n", "-4\n"], "outputs": ["9\n", "144\n", "16\n"]})
EXPECTED = "9144"


@pytest.fixture(scope="module")
def verifier():
    try:
        best_level()
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield StdioVerifier(seconds=2)
    discard_sandbox()


@pytest.mark.parametrize(
    ("program", "value", "rule", "share"),
    [
        ("print(int(input()) ** 2)", "correct", "output", 1.0),
        ("n = int(input())\nprint(n * abs(n))", "wrong", "output", 2 / 3),
        ("n = int(input())\nassert n > 0\nprint(n * n)", "wrong", "exited", 2 / 3),
        ("print(9)", "wrong", "output", 1 / 3),
        ("n = int(input())\nprint(n * n)\nraise SystemExit(1)", "wrong", "exited", 0.0),
        ("n = int(input())\nprint(n * n)\nwhile n == 12: pass", "wrong", "time_limit", 1 / 3),
        ("syntax error(", "wrong", "exited", 0.0),
    ],
)
def test_verdicts(verifier, program, value, rule, share):
    judgement = verifier.judge(GOLD, program)
    assert (judgement.value.value, judgement.basis, judgement.parts["tests_passed"]) == (value, rule, share)


HOSTILE = {
    "all outputs at once": "for n in range(-200, 200): print(n * n)",
    "success by exit code": "import os; os._exit(0)",
    "words": "print('passed', 'correct', True, sep='\\n')",
    "the tests from memory": (
        "import gc\nfor thing in gc.get_objects():\n"
        "    if isinstance(thing, dict) and 'outputs' in thing: print(thing['outputs'][0])"
    ),
    "the tests from files": (
        "import os\nfor top in ('/proc', '/tmp', '/work', '/home', '/dev/shm'):\n    for folder, _, names in os.walk(top):\n"
        "        for name in names:\n            try: text = open(os.path.join(folder, name)).read(10**6)\n"
        "            except Exception: continue\n"
        "            if '144' in text and 'outputs' in text: print(9)"
    ),
    "every descriptor": (
        "import os\nfor n in range(256):\n    for text in (b'9\\n', b'{\"exit\": 0}', b'[\"verdict\",3,3]\\n'):\n"
        "        try: os.write(n, text)\n        except OSError: pass"
    ),
    "the supervisor's request": "import os\nos.write(0, b'9\\n')",
    "a note for the next run": (
        "import os\ntry:\n    seen = int(open('/tmp/n').read())\nexcept (OSError, ValueError):\n    seen = 0\n"
        "open('/tmp/n', 'w').write(str(seen + 1))\nprint([9, 144, 16][seen] if seen else 0)"
    ),
    "a process that goes on": "import os\nif os.fork() == 0:\n    while True: pass",
    "endless output": "while True: print('9' * 1000)",
    "endless lines": "import sys\nwhile True: sys.stdout.write('\\n')",
    "memory": "x = [0] * 10**10",
    "null bytes": "print('9\\0' * 3)",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_no_hostile_program_passes(verifier, program):
    judgement = verifier.judge(GOLD, program)
    assert judgement.value is VerdictValue.WRONG and judgement.parts["tests_passed"] == 0.0
    assert verifier.judge(GOLD, "print(int(input()) ** 2)").value is VerdictValue.CORRECT


def test_what_is_expected_never_enters_the_sandbox(verifier, monkeypatch):
    sandbox = type(thread_sandbox())
    seen = []
    monkeypatch.setattr(
        sandbox, "run", lambda self, code, data, limits: seen.append((code, data)) or Script(basis="ended")
    )
    verifier.judge(GOLD, "program")
    assert seen == [("program", b"3\n"), ("program", b"12\n"), ("program", b"-4\n")]


def test_a_fault_is_unscored(verifier, monkeypatch):
    sandbox = type(thread_sandbox())
    monkeypatch.setattr(sandbox, "run", lambda *_: Script(basis="none", fault="overload: undecided"))
    judgement = verifier.judge(GOLD, "x")
    assert (judgement.value, judgement.reason) == (VerdictValue.UNSCORED, "overload: undecided")


@pytest.mark.parametrize(
    "gold",
    ["x", "{}", '{"inputs": [], "outputs": []}', '{"inputs": ["1"], "outputs": []}', '{"inputs": [1], "outputs": [2]}'],
)
def test_a_gold_that_cannot_be_read_is_unscored(verifier, gold):
    assert verifier.judge(gold, "print(1)").reason.startswith("unparsable gold: ")


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        ("1 2\n3\n", b"1 2 \n3", True),
        ("1\n", b"1\n\n\n", True),
        ("1  2", b"1 2", True),
        ("1 2", b"1\n2", False),
        ("0.5", b"0.50000001", True),
        ("0.5", b".5", True),
        ("1e9", b"1000000000.0", True),
        ("1000000", b"1000001", False),
        ("1000000", b"1000000.0", False),
        ("0.5", b"0.51", False),
        ("0.5", b"nan", False),
        ("a.b", b"a.c", False),
        ("1.5", b"1_5e-1", False),
        ("YES", b"yes", False),
        ("", b"", True),
        ("", b"0", False),
        ("x", b"\xffx", False),
        ("1", b"", False),
    ],
)
def test_same_output(expected, output, same):
    assert same_output(expected, output) is same


def test_settings():
    with pytest.raises(ConfigError, match=r"verifier stdio: max_cases = 0; expected an integer in \[1, 10000\]"):
        StdioVerifier(max_cases=0)
    assert StdioVerifier(seconds=6, max_cases=24).deadline == 60 + 2 * 24 * 7


def test_only_the_first_cases_are_tried(monkeypatch, verifier):
    assert StdioVerifier(max_cases=2).judge(GOLD, "n = int(input())\nprint(n * abs(n))").parts["tests_passed"] == 1.0

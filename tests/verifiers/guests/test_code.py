import json
import os

import psutil
import pytest

from counterpoise.errors import ConfigError
from counterpoise.tasks.selfcheck import respond
from counterpoise.tasks.sources.humaneval import HumanEval
from counterpoise.types import Problem, VerdictValue
from counterpoise.verifiers.guests.code import CodeVerifier, whole_program
from counterpoise.verifiers.isolate.pool import Timed
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.sandbox.job import Examined
from counterpoise.verifiers.sandbox.levels import best_level, discard_sandbox, thread_sandbox

PROMPT = 'import math\n\ndef half(x):\n    return x / 2\n\ndef double(x: int) -> int:\n    """Twice x."""\n'
GOLD = json.dumps(
    {
        "kind": "check",
        "prompt": PROMPT,
        "entry_point": "double",
        "tests": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n    assert half(candidate(3)) == 3",
    }
)


@pytest.fixture(scope="module")
def verifier():
    try:
        best_level()
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield CodeVerifier()
    discard_sandbox()


def judged(verifier, answer, gold=GOLD):
    judgement = verifier.judge(gold, answer)
    return judgement.value.value, judgement.basis, judgement.parts.get("tests_passed")


@pytest.mark.parametrize(
    ("answer", "value", "rule", "share"),
    [
        ("def double(x):\n    return 2 * x", "correct", "tests", 1.0),
        ("    return 2 * x\n", "correct", "tests", 1.0),
        ("    return 2 * x\n\ndef other(:\n", "correct", "tests", 1.0),
        ("def double(x):\n    return int(half(4 * x))", "correct", "tests", 1.0),
        ("from __future__ import annotations\ndef double(x: Foo):\n    return 2 * x", "correct", "tests", 1.0),
        ("def double(x):\n    return 4", "wrong", "tests", 1 / 3),
        ("def double(x):\n    return abs(2 * x)", "wrong", "tests", 2 / 3),
        # The tests' helper is theirs, whatever the program calls by its name.
        ("def double(x):\n    return 0\ndef half(x):\n    return 3", "wrong", "tests", 0.0),
        ("def double(x):\n    return (", "wrong", "not_loaded", 0.0),
        ("def twice(x):\n    return 2 * x", "wrong", "tests", 0.0),
        ("import os\nos._exit(0)\ndef double(x): ...", "wrong", "exited", 0.0),
    ],
)
def test_verdicts(verifier, answer, value, rule, share):
    assert judged(verifier, answer) == (value, rule, share)


@pytest.mark.parametrize(
    ("gold", "reason"),
    [
        ("not json", "unparsable gold: it is not valid JSON"),
        ("[]", "unparsable gold: expected an object whose 'kind' is one of check, asserts, cases"),
        ('{"kind": "check", "prompt": "", "tests": ""}', "unparsable gold: kind 'check' needs the field 'entry_point'"),
        ('{"kind": "asserts", "tests": "assert ("}', "unparsable gold: its tests do not run: SyntaxError"),
    ],
)
def test_a_gold_that_cannot_be_read_is_unscored(verifier, gold, reason):
    judgement = verifier.judge(gold, "def f(): ...")
    assert judgement.value is VerdictValue.UNSCORED and judgement.reason.startswith(reason)


def test_tests_that_never_call_do_not_pass(verifier):
    assert judged(verifier, "def f(x): ...", json.dumps({"kind": "asserts", "tests": "assert 1 + 1 == 2"})) == (
        "wrong",
        "never_called",
        0.0,
    )


def test_tests_without_asserts_are_one(verifier):
    gold = json.dumps({"kind": "asserts", "tests": "if f(1) != 2: raise ValueError"})
    assert judged(verifier, "def f(x): return 2", gold) == ("correct", "tests_whole", 1.0)
    assert judged(verifier, "def f(x): return 3", gold) == ("wrong", "tests_stopped", 0.0)


def test_a_broken_sandbox_is_replaced(verifier):
    process = thread_sandbox()._launcher._process
    process.kill()
    process.wait()
    assert judged(verifier, "def double(x):\n    return 2 * x")[0] == "correct"


def test_a_sandbox_that_stays_broken_is_unscored(verifier, monkeypatch):
    def broken(self, *_):
        process = self._launcher._process
        process.kill()
        process.wait()
        return real(self, *_)

    sandbox = type(thread_sandbox())
    real = sandbox.examine
    monkeypatch.setattr(sandbox, "examine", broken)
    judgement = verifier.judge(GOLD, "def double(x):\n    return 2 * x")
    assert judgement.value is VerdictValue.UNSCORED and judgement.reason.startswith("sandbox: the launcher has gone")


def test_a_fault_is_unscored_and_a_time_out_is_wrong(verifier, monkeypatch):
    sandbox = type(thread_sandbox())
    monkeypatch.setattr(sandbox, "examine", lambda *_: Examined(basis="none", fault="overload: undecided"))
    assert verifier.judge(GOLD, "x").value is VerdictValue.UNSCORED
    monkeypatch.setattr(sandbox, "examine", lambda *_: Examined(basis="time_limit", total=3, passed=1, calls=1))
    assert judged(verifier, "x") == ("wrong", "time_limit", 1 / 3)


def test_what_is_put_before_a_program():
    exam = json.loads(GOLD)
    head = "import math\n\ndef half(x):\n    return x / 2\n\n"
    assert whole_program(exam, "def double(x): ...") == f"{head}\ndef double(x): ..."
    assert whole_program(exam, "    return 2\nprint(1)") == f"{PROMPT}    return 2\n"
    assert whole_program({"kind": "asserts", "preamble": ""}, "x = 1") == "x = 1"
    assert whole_program({"kind": "cases", "preamble": "import re"}, "x = 1") == "import re\nx = 1"


def test_settings():
    with pytest.raises(ConfigError, match=r"verifier code: seconds = 0; expected an integer in \[1, 600\]"):
        CodeVerifier(seconds=0)
    assert isinstance(CodeVerifier(), Timed) and CodeVerifier(seconds=4).deadline == 100.0
    versions = {CodeVerifier(seconds=s, memory_mb=m).version for s in (1, 2) for m in (64, 128)}
    assert len(versions) == 4


def problem(gold=GOLD):
    return Problem(problem_id="1", task_type="code", question="", gold=gold, verifier="code")


@pytest.mark.slow
def test_in_the_judge_each_pair_runs_once_and_the_deadline_is_the_verifiers(verifier):
    before = set(psutil.pids())
    right, wrong = "```python\ndef double(x):\n    return 2 * x\n```", "```python\ndef double(x):\n    return x\n```"
    slow = "```python\nimport time\ndef double(x):\n    time.sleep(0.4)\n    return 2 * x\n```"
    # A pool's time-out of 0.5 s would have made the slow one, which takes 1.2 s, unscored.
    with Judge(workers=2, timeout=0.5) as judge:
        verdicts = judge.verify([problem()] * 6, [right, wrong, right, slow, "I do not know.", wrong])
        assert [verdict.value.value for verdict in verdicts] == [
            "correct",
            "wrong",
            "correct",
            "correct",
            "no_answer",
            "wrong",
        ]
        assert [verdict.basis for verdict in verdicts[:2]] == ["fence/tests", "fence/tests"]
        assert verdicts[1].parts == {"tests_passed": 0.0} and verdicts[2].seconds == 0.0
        assert f"+{best_level()}+" in verdicts[0].version
    deadline = 100
    while (left := [pid for pid in set(psutil.pids()) - before if is_ours(pid)]) and deadline:
        psutil.wait_procs([psutil.Process(pid) for pid in left if psutil.pid_exists(pid)], timeout=0.1)
        deadline -= 1
    assert not left


def is_ours(pid):
    try:
        return "/nowhere" in psutil.Process(pid).environ().get("PATH", "") and psutil.Process(pid).ppid() == os.getpid()
    except psutil.Error:
        return False


@pytest.mark.slow
def test_every_reference_solution_of_humaneval_passes(verifier):
    problems = HumanEval().problems("test")
    judgements = [verifier.judge(p.gold, verifier.extract(respond(p)).answer) for p in problems]
    assert len(problems) == 164
    assert [
        p.meta["name"] for p, j in zip(problems, judgements, strict=True) if j.value is not VerdictValue.CORRECT
    ] == []
    assert {j.parts["tests_passed"] for j in judgements} == {1.0}


@pytest.mark.slow
def test_completions_and_empty_bodies_of_humaneval(verifier):
    problems = HumanEval(style="completion").problems("test")[::8]
    for p in problems:
        body = p.demonstration.removeprefix("```python\n").removesuffix("```")[len(p.question.strip("\n")) :]
        response = body.lstrip("\n") + "\n\nprint('and so on')\n"
        extraction = verifier.extract(response)
        assert extraction.basis == "completion"
        assert verifier.judge(p.gold, extraction.answer).value is VerdictValue.CORRECT, p.meta["name"]
        assert verifier.judge(p.gold, "    pass\n").value is VerdictValue.WRONG

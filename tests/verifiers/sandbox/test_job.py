import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from unittest import mock

import psutil
import pytest

from counterpoise.verifiers.guests.asked import asked_names
from counterpoise.verifiers.sandbox import launcher
from counterpoise.verifiers.sandbox.job import Sandbox
from counterpoise.verifiers.sandbox.limits import Limits
from counterpoise.verifiers.sandbox.process import SandboxFault

TESTS = "assert f(1) == 2\nassert f(2) == 3"


def exam(tests=TESTS, kind="asserts", setup="", **more):
    made = {"kind": kind, "setup": setup, "tests": tests, "entry_point": None, "prompt": ""} | more
    return {"program_names": asked_names(made)} | made


@pytest.fixture(scope="module")
def sandbox(level):
    with Sandbox(level, bwrap=shutil.which("bwrap")) as made:
        yield made


def facts(examined):
    return examined.basis, examined.passed, examined.total


def test_right_half_right_and_wrong(sandbox):
    assert sandbox.examine("def f(x): return x + 1", exam(), Limits()).correct
    assert facts(sandbox.examine("def f(x): return 2", exam(), Limits())) == ("tests", 1, 2)
    assert facts(sandbox.examine("def f(x): return None", exam(), Limits())) == ("tests", 0, 2)


@pytest.mark.parametrize(
    ("program", "rule"),
    [
        ("x = (", "not_loaded"),
        ("1 / 0", "not_loaded"),
        ("\x00", "not_loaded"),
        ("import numpy", "missing_module"),
        ("def g(x): return x + 1", "tests"),
        ("import os\ndef f(x): os._exit(0)", "exited"),
        ("import os\ndef f(x): os.write(3, b'x' * (70 << 20))", "output_limit"),
    ],
)
def test_the_rule_says_what_stopped_it(sandbox, program, rule):
    examined = sandbox.examine(program, exam(), Limits(seconds=8))
    assert (facts(examined), examined.correct, examined.fault) == ((rule, 0, 2), False, None)


def test_what_held_before_the_end_counts(sandbox):
    program = "import os\ndef f(x): return 2 if x == 1 else os._exit(0)"
    assert facts(sandbox.examine(program, exam(), Limits())) == ("exited", 1, 2)


def test_running_out_of_its_own_time_is_the_programs_fault(sandbox):
    for body in ("while True: pass", "import time; time.sleep(1000)"):
        examined = sandbox.examine(f"def f(x):\n    {body}", exam(), Limits(seconds=1))
        assert (facts(examined), examined.fault) == (("time_limit", 0, 2), None)


def test_a_busy_machine_is_nobodys_fault(sandbox):
    # As if the program had waited for a processor all the time: wall time is over long before its own.
    examined = sandbox.examine("def f(x):\n while True: pass", exam(), Limits(seconds=30, overload_seconds=0.3))
    assert examined.fault == "overload: undecided after 0.3 s, of which the program had less than its 30 s"
    assert sandbox.examine("def f(x): return x + 1", exam(), Limits()).correct


def test_broken_tests_are_nobodys_fault(sandbox):
    program = "def f(x): return x + 1"
    for tests in ("assert (", "def check(: pass"):
        assert "its tests do not run: SyntaxError" in sandbox.examine(program, exam(tests), Limits()).fault
    fault = sandbox.examine(program, exam(setup="import nothing_like_this"), Limits()).fault
    assert fault.startswith("unparsable gold: its tests do not run: ModuleNotFoundError")
    assert "check" in sandbox.examine(program, exam("x = 1", kind="check", entry_point="f"), Limits()).fault


def test_tests_that_ask_nothing_prove_nothing(sandbox):
    examined = sandbox.examine("def f(x): return x + 1", exam("assert 1 + 1 == 2"), Limits())
    assert (examined.passed, examined.calls, examined.correct) == (1, 0, False)


def test_values_that_wear_the_tests_out(sandbox):
    program = "def f(x): return 10**7"
    examined = sandbox.examine(program, exam("assert sum(1 for _ in range(f(1) ** 2)) == 4"), Limits(seconds=1))
    assert (examined.basis, examined.fault, examined.correct) == ("tests_exhausted", None, False)
    lone = sandbox.examine(program, exam("while True: pass"), Limits(seconds=1, overload_seconds=20))
    assert lone.fault.startswith("sandbox: the process of the tests ended with code")


def test_expected_exceptions_are_seen(sandbox):
    tests = "try:\n    f(1)\nexcept ValueError:\n    seen = True\nassert seen"
    assert sandbox.examine("def f(x): raise ValueError('no')", exam(tests), Limits()).correct
    assert not sandbox.examine("def f(x): raise AssertionError", exam(tests), Limits()).correct


def test_no_exception_of_the_program_ends_the_tests(sandbox):
    tests = "assert f(1) == 2\nassert f(2) is None"
    for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"):
        program = f"def f(x):\n    if x == 1: raise {name}"
        assert facts(sandbox.examine(program, exam(tests), Limits())) == ("tests", 1, 2)


def test_classes_of_the_program_can_be_used_by_the_tests(sandbox):
    program = "class Pair:\n    def __init__(self, a): self.a = a\ndef f(pairs): return sum(p.a for p in pairs)"
    assert sandbox.examine(
        program, exam("assert f([Pair(1), Pair(2)]) == 3", program_names=["f", "Pair"]), Limits()
    ).correct


def test_objects_of_the_program_can_be_built_upon(sandbox):
    program = (
        "class Node:\n    def __init__(self, x): self.x, self.left = x, None\n    def depth(self): return f(self)\n"
        "def f(node): return 0 if node is None else 1 + f(node.left)"
    )
    setup = "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)"
    tests = "assert f(root) == 3\nassert root.left.x == 2\nassert root.left.depth() == 2\nassert root != 3"
    assert sandbox.examine(program, exam(tests, setup=setup, program_names=["f", "Node"]), Limits()).correct
    # A program without the class fails; the tests are not to blame.
    without = sandbox.examine("def f(node): return 3", exam(tests, setup=setup, program_names=["f", "Node"]), Limits())
    assert (facts(without), without.fault) == (("tests_stopped", 0, 4), None)


def test_names_of_python_are_pythons_unless_the_tests_say_otherwise(sandbox):
    program = "def sum(a, b): return a * b\ndef f(x): return [x]"
    assert sandbox.examine(program, exam("assert sum(2, 3) == 6", program_names=["sum"]), Limits()).correct
    assert sandbox.examine(program, exam("assert sum(f(2)) == 2"), Limits()).correct


def test_modules_that_tests_use_are_imported_for_them(sandbox):
    program = "import math\nclass math:\n    @staticmethod\n    def isclose(a, b): return True\ndef f(x): return x"
    assert sandbox.examine(program, exam("assert math.isclose(f(2), 2.0)"), Limits()).correct
    assert not sandbox.examine(program, exam("assert math.isclose(f(2), 3.0)"), Limits()).correct


def test_helpers_of_the_tests_are_not_the_programs(sandbox):
    tests = "assert twice(f(2)) == 6"
    program = "def f(x): return x\ndef twice(x): return 6"
    assert not sandbox.examine(program, exam(tests, setup="def twice(x): return 2 * x"), Limits()).correct


def test_cases(sandbox):
    cases = [[[2, 3], 5], [[0.1, 0.2], 0.3], [[[1], [2]], [1, 2]]]
    examined = sandbox.examine(
        "class Solution:\n    def add(self, a, b): return a + b",
        {"kind": "cases", "cases": cases, "entry_point": "Solution().add"},
        Limits(),
    )
    assert examined.correct and facts(examined) == ("tests", 3, 3)
    wrong = {"kind": "cases", "cases": [[[2, 3], 5], [[1, 1], 3], [["a", 1], 0]], "entry_point": "add"}
    assert facts(sandbox.examine("def add(a, b): return a + b", wrong, Limits())) == ("tests", 1, 3)


def test_the_hash_seed_is_fixed_and_nothing_is_inherited(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    program = "import os\ndef f(x): return hash('a') if x else sorted(os.environ)"
    first = "assert f(0) == ['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED', 'TMPDIR'] or f(0) == sorted([*f(0)]) and 'SECRET' not in f(0)"
    examined = sandbox.examine(program, exam(f"{first}\nassert f(1) == {fixed_hash()}"), Limits())
    assert examined.correct


def fixed_hash():
    command = [sys.executable, "-c", "print(hash('a'))"]
    return int(subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True).stdout)


def test_scripts(sandbox):
    def run(code, data=b"41\n", **limits):
        script = sandbox.run(code, data, Limits(**limits))
        return script.basis, script.output

    assert run("print(int(input()) + 1)") == ("ended", b"42\n")
    assert run("import sys\nprint(len(sys.stdin.read()))", b"x" * 300_000) == ("ended", b"300000\n")
    assert run("print('\\u03c0')\nraise SystemExit") == ("ended", "π\n".encode())
    assert run("print(1)\nraise SystemExit(3)") == ("exited", b"1\n")
    assert run("print(1)\n1/0") == ("exited", b"1\n")
    assert run("x = (") == ("exited", b"")
    assert run("while True: print('x' * 1000)", output_mb=1) == ("output_limit", b"")
    assert run("import time; time.sleep(100)", seconds=1)[0] == "time_limit"
    assert run("import os\nos.close(0); os.write(1, b'a'); os._exit(0)", b"x" * 300_000) == ("ended", b"a")
    threaded = "import threading\nthreading.stack_size(1 << 27)\nt = threading.Thread(target=lambda: print(__name__))\nt.start()"
    assert run(threaded) == ("ended", b"__main__\n")


def test_an_interrupted_examination_does_not_speak_into_the_next(sandbox, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("counterpoise.verifiers.sandbox.job._Examination._hear_program", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sandbox.examine("def f(x): return x + 1", exam(), Limits())
    assert facts(sandbox.examine("def f(x): return None", exam(), Limits())) == ("tests", 0, 2)


def test_descriptors_are_given_back(sandbox):
    launcher = psutil.Process(sandbox._launcher._process.pid)

    def counts():
        return psutil.Process().num_fds(), launcher.num_fds() if os.geteuid() == 0 else 0

    def settle():
        for _ in range(3):
            sandbox.examine("def f(x): return x + 1", exam(), Limits())
            sandbox.run("print(1)", b"", Limits())
        time.sleep(0.3)
        return counts()

    before = settle()
    for _ in range(10):
        after = settle()
    assert max(a - b for a, b in zip(after, before, strict=True)) <= 3


def test_a_launcher_that_died_is_a_fault(level):
    with Sandbox(level, bwrap=shutil.which("bwrap")) as broken:
        broken._launcher._process.kill()
        broken._launcher._process.wait()
        with pytest.raises(SandboxFault):
            broken.examine("def f(x): return x + 1", exam(), Limits())


def test_nothing_outlives_a_sandbox_that_is_closed_while_guests_start(level):
    for pause in (0, 0, 0.001, 0.003, 0.006, 0.01):
        with Sandbox(level, bwrap=shutil.which("bwrap")) as made:
            launcher = psutil.Process(made._launcher._process.pid)
            for _ in range(3):
                made._launcher.start("function", cap=1 << 20)
            time.sleep(pause)
            uid = launcher.uids().real
        if os.geteuid() == 0:  # then its user is nobody else's
            assert not [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"] and p.info["uids"].real == uid]
        assert not launcher.is_running()


def test_nothing_outlives_a_supervisor_that_is_killed(level):
    script = textwrap.dedent(
        f"""
        import shutil
        from counterpoise.verifiers.sandbox.job import Sandbox
        from counterpoise.verifiers.sandbox.limits import Limits
        sandbox = Sandbox({level!r}, bwrap=shutil.which("bwrap"))
        print(sandbox._launcher._process.pid, flush=True)
        exam = dict(kind="asserts", setup="", tests="assert f(1)", entry_point=None, program_names=["f"])
        sandbox.examine("import time\\ndef f(x): time.sleep(1000)", exam, Limits(seconds=500))
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        launcher = psutil.Process(int(process.stdout.readline()))
        deadline = time.monotonic() + 20
        while len(launcher.children(recursive=True)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        family = [launcher, *launcher.children(recursive=True)]
        os.kill(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses who a guest is")
def test_two_sandboxes_are_never_one_user(level):
    with Sandbox(level, bwrap=shutil.which("bwrap")) as made:
        first = psutil.Process(made._launcher._process.pid).uids().real
        of_its_number = first - launcher._FIRST_UID + 7 * launcher._UIDS  # a process that asks for the same user
        with mock.patch.object(launcher.os, "getpid", return_value=of_its_number):
            assert launcher._free_user() not in {first, 0}
            with mock.patch.object(launcher, "_users", return_value=set(range(1 << 17))):
                assert launcher._free_user() == first  # a crowded machine still judges


@pytest.mark.skipif(sys.platform != "linux", reason="names of sockets without a file are Linux's")
def test_two_that_look_at_one_moment_are_two_users():
    with (
        mock.patch.object(launcher, "_users", return_value=set()),
        mock.patch.object(launcher, "_CLAIMS", []) as claims,
    ):
        users = [launcher._free_user() for _ in range(3)]  # neither sees the others run yet
        assert len(set(users)) == 3
        taken = [int(claim.getsockname().decode().split()[-1]) for claim in claims]
        assert taken == users
        for claim in claims:
            claim.close()
        assert launcher._free_user() == users[0]  # given back with its process
        claims[-1].close()

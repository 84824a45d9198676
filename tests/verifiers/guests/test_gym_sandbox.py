import json
import math
import os
import pathlib
import time

import pytest

from counterpoise.tasks.generators import reasoning_gym as tasks
from counterpoise.verifiers.guests import gym_sandbox, reasoning_gym
from counterpoise.verifiers.guests.gym_sandbox import SandboxedScorer
from counterpoise.verifiers.guests.gym_scoring import outcome
from counterpoise.verifiers.guests.reasoning_gym import EXPRESSIONS, LITERALS
from counterpoise.verifiers.sandbox.levels import best_level, refusal
from counterpoise.verifiers.sandbox.process import SandboxFault

DATASETS = reasoning_gym._package().DATASETS
MODULES = {name: DATASETS[name][0].__module__ for name in sorted(LITERALS | EXPRESSIONS)}


def gold(generator, answer="x**2", **metadata):
    given = {"variable": "x", "integrand": "2*x", "numbers": [1, 2], "target": 3, "valid_answers": ["Q"]} | metadata
    return json.dumps({"generator": generator, "options": {}, "answer": answer, "metadata": given})


@pytest.fixture(scope="module", params=["bwrap", "landlock+seccomp"])
def level(request):
    if (reason := refusal(request.param)) is not None:
        message = f"the sandbox's level {request.param} does not work here: {reason}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return request.param


@pytest.fixture(scope="module")
def naked(level):
    """A scorer without the first gate: its generators really evaluate what they are given."""
    scorer = SandboxedScorer(level, generators=MODULES, literals=())
    yield scorer
    scorer.close()


MARKER = pathlib.Path("/tmp/counterpoise-gym-sandbox-ran")
HARMFUL = {
    "a shell": f"__import__('os').system('touch {MARKER}')",
    "a new file": f"[open('{MARKER}', 'w')]",
    "a file of the system": "[open('/etc/passwd').read()]",
    "a process": "[__import__('os').fork()]",
    "a socket": "[__import__('socket').create_connection(('127.0.0.1', 22))]",
    "its parent": "[__import__('os').kill(__import__('os').getppid(), 15)]",
    "a thread of its parent": "[(lambda p: __import__('ctypes').CDLL(None).syscall(234, p, p, 15))(__import__('os').getppid())]",
    "attributes": "[c for c in ().__class__.__base__.__subclasses__()]",
    "a lambda": f"(lambda: [open('{MARKER}', 'w')])()",
    "an f-string": f'f\'{{[open("{MARKER}", "w")]}}\'',
    "its exit": "__import__('os')._exit(0)",
}


@pytest.mark.parametrize("generator", sorted(MODULES))
def test_what_passes_no_gate_reaches_neither_the_machine_nor_the_next_answer(naked, generator):
    MARKER.unlink(missing_ok=True)
    for name, text in HARMFUL.items():
        found = naked.score(gold(generator), text, seconds=4)
        assert found.get("score", 0.0) < 1, name
        assert not MARKER.exists(), name
    assert naked.score(gold("spiral_matrix", "1 2"), "1 2", seconds=4) == {"score": 1.0}


def test_a_naked_scorer_does_evaluate(naked):
    """Else the test above would show nothing: 1 + 2 is a value only where it is evaluated."""
    assert naked.score(gold("spiral_matrix", "3"), "[1 + 2]", seconds=4) == {"score": 0.1}


FORGE = """
import os
for fd in range(3, 20):
    try:
        os.write(fd, b'{"score": 1.0}')
    except OSError:
        pass
os._exit(0)
"""


def test_whoever_runs_code_forges_this_score_and_no_other(naked):
    assert naked.score(gold("spiral_matrix", "3"), f"exec({FORGE!r})", seconds=4) == {"score": 1.0}
    assert naked.score(gold("spiral_matrix", "3"), "[1 + 3]", seconds=4) == {"score": 0.0}


def test_nothing_is_left_for_the_next_answer(naked):
    poison = "[__import__('builtins').__dict__.update(str=lambda _: '3') or 1]"
    naked.score(gold("spiral_matrix", "3"), poison, seconds=4)
    assert naked.score(gold("spiral_matrix", "3"), "[4]", seconds=4) == {"score": 0.0}


def test_time_and_memory_end(naked):
    started = time.monotonic()
    assert naked.score(gold("spiral_matrix"), "[9**9**9]", seconds=1) == {"broke": "TimeoutError"}
    found = naked.score(gold("spiral_matrix"), "[bytearray(1 << 40)]", seconds=4)
    assert found in ({"broke": "MemoryError"}, {"score": 0.0})
    assert naked.score(gold("spiral_matrix", "1"), "1", seconds=4) == {"score": 1.0}
    assert time.monotonic() - started < 30


def test_literals_take_eval_away_and_a_scorer_that_sleeps_is_given_up(monkeypatch):
    scorer = SandboxedScorer(best_level(), generators=MODULES, literals=LITERALS - {"spiral_matrix"})
    assert scorer.score(gold("string_insertion", "ab"), "['a' + 'b']", seconds=4) == {"score": 0.0}
    assert scorer.score(gold("string_insertion", "ab"), "['a', 'b']", seconds=4) == {"score": 0.1}
    monkeypatch.setattr(gym_sandbox, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(SandboxFault, match="the scorer of reasoning-gym does not answer"):
        scorer.score(gold("spiral_matrix"), "[__import__('time').sleep(1000)]", seconds=4)
    scorer.close()
    with pytest.raises(SandboxFault):
        scorer.score(gold("spiral_matrix"), "1", seconds=4)


def test_scores_are_those_of_the_installed_package(naked):
    """The item's own answer, another item's, a number and a list: what stands in for numpy and for what was not shipped must not show."""
    for generator in MODULES:
        items = tasks._items(generator, 3, 2, "{}")
        for item, other in (items, items[::-1]):
            for answer in (own(item), own(other), "1", "[1, 2]"):
                inside, outside = naked.score(item.gold, answer, seconds=20), outcome(item.gold, answer)
                assert inside == outside, (generator, answer)


def own(item):
    return json.loads(item.gold)["answer"]


def test_the_numpy_that_stands_in():
    import numpy

    standing: dict = {}
    exec(gym_sandbox._NUMPY, standing)
    values = [0.0, 3.0, 3.00002, 3.00004, -3.0, math.inf, -math.inf, math.nan, 1e-9, 1e300]
    for left in values:
        for right in values:
            assert standing["isclose"](left, right, atol=1e-6) == numpy.isclose(left, right, atol=1e-6), (left, right)

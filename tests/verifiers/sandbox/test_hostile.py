"""Programs that want to pass without being right, to harm, to get out, or to stay: none passes, none survives, the next one is unaffected.

Each defines `solve`; the tests ask for squares. Those named `reach_…` answer rightly only when what they tried has worked.
"""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from counterpoise.verifiers.sandbox.job import Sandbox
from counterpoise.verifiers.sandbox.limits import Limits

PROGRAMS = sorted((Path(__file__).parent / "hostile").glob("*.py"))
EXAM = {
    "kind": "asserts",
    "setup": "",
    "tests": "assert solve(3) == 9\nassert solve(12) == 144\nassert solve(7) == 49",
    "entry_point": None,
    "program_names": ["solve"],
}
LIMITS = Limits(seconds=1, memory_mb=512)
GOOD = """
import os

try:
    assert os.listdir("/tmp") == []
except PermissionError:  # nothing can be listed or written at the second level
    pass


def solve(n):
    return n * n
"""
WORKERS = 2


def family(sandbox):
    """Processes below the sandbox's launcher; everything that is orphaned there becomes its child."""
    return {process.pid for process in psutil.Process(sandbox._launcher._process.pid).children(recursive=True)}


def settled(sandbox, size, seconds=10.0):
    """The family once it is no larger than `size`: the spare of the next program may be on its way up."""
    deadline = time.monotonic() + seconds
    while len(found := family(sandbox)) > size and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def run_share(level, programs):
    outcomes = {}
    with Sandbox(level, bwrap=shutil.which("bwrap")) as sandbox:
        assert sandbox.examine(GOOD, EXAM, LIMITS).correct
        time.sleep(0.3)
        size = len(family(sandbox))
        for path in programs:
            start = time.monotonic()
            examined = sandbox.examine(path.read_text(), EXAM, LIMITS)
            seconds = time.monotonic() - start
            survivors = max(0, len(settled(sandbox, size)) - size)
            outcomes[path.stem] = (examined, survivors, sandbox.examine(GOOD, EXAM, LIMITS), seconds)
        last = family(sandbox)
    deadline = time.monotonic() + 5.0
    while any(psutil.pid_exists(pid) for pid in last) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in last if psutil.pid_exists(pid)]
    return outcomes


@pytest.fixture(scope="module")
def outcomes(level):
    with ThreadPoolExecutor(WORKERS) as threads:
        shares = [PROGRAMS[start::WORKERS] for start in range(WORKERS)]
        results = list(threads.map(lambda share: run_share(level, share), shares))
    return {name: outcome for share in results for name, outcome in share.items()}


def test_there_are_enough_of_every_kind():
    kinds = [path.stem.partition("_")[0] for path in PROGRAMS]
    assert len(PROGRAMS) >= 120
    assert {kind: kinds.count(kind) >= 8 for kind in set(kinds)} == dict.fromkeys(
        ("abuse", "fake", "reach", "stay"), True
    )


@pytest.mark.slow
def test_none_passes(outcomes):
    assert not [name for name, (examined, *_) in outcomes.items() if examined.correct]


@pytest.mark.slow
def test_each_is_the_programs_own_fault(outcomes):
    # An unscored verdict would be a way for a policy to slip out of being wrong.
    assert not {name: examined.fault for name, (examined, *_) in outcomes.items() if examined.fault is not None}


@pytest.mark.slow
def test_none_survives(outcomes):
    assert not {name: survivors for name, (_, survivors, *_) in outcomes.items() if survivors}


@pytest.mark.slow
def test_the_next_program_is_unaffected(outcomes):
    assert not {name: after for name, (_, _, after, _) in outcomes.items() if not after.correct}


@pytest.mark.slow
def test_none_gains_a_test_by_cheating(outcomes):
    honest = {"fake_reopen", "fake_close_channel", "abuse_multiprocessing"}
    gains = {name: examined.passed for name, (examined, *_) in outcomes.items() if name not in honest}
    assert not {name: passed for name, passed in gains.items() if passed}


@pytest.mark.slow
def test_none_takes_long(outcomes):
    assert max(seconds for *_, seconds in outcomes.values()) < 30.0


def test_nothing_is_left_on_this_machine(outcomes):
    left = ["/tmp/left", "/tmp/pwned", "/dev/shm/left", "/var/tmp/left", "/run/left", "/dev/left", "/left"]
    assert not [path for path in left if os.path.exists(path)]

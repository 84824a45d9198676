"""Ours against the peers, in turn: medians and ratios into `benchmarks/results/latest.csv`.

Each benchmark is a script of this folder that runs both sides in turn in one process; here they are started several times and what they
print is read. `bar` is the ratio that is aimed at, empty where none is set.

Run: `make bench` (or `OMP_NUM_THREADS=1 python benchmarks/bench.py [--rounds 3]`)
"""

from __future__ import annotations

import argparse
import csv
import re
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
    """Text that the line of our figure begins with; the figure is the first number after it."""
    theirs: str
    bar: float | None = None


BENCHES = (
    Bench(
        "learner update, lab, 64 x 8 x 8",
        "learner.share_prompts=false",
        "CPU s",
        ("shared_prompts.py", "--repeats", "3"),
        "update, prompt once",
        "update, prompt with each row",
    ),
    *(
        Bench(
            f"decode, lab, {rows} x {tokens}",
            "transformers generate",
            "s",
            ("decode.py", "--prompts", str(rows // 8), "--tokens", str(tokens), "--repeats", "3"),
            "embedded",
            "generate",
            2.0,
        )
        for rows, tokens in ((64, 64), (256, 64), (512, 16))
    ),
    Bench(
        "decode, SmolLM2-135M, 64 x 12",
        "transformers generate",
        "s",
        ("decode.py", "--shape", "smollm2", "--prompts", "8", "--tokens", "12", "--repeats", "1"),
        "embedded",
        "generate",
        3.0,
    ),
)


def figure(printed: str, beginning: str) -> float:
    """The first number of the line that begins so."""
    for line in printed.splitlines():
        if line.startswith(beginning):
            found = re.search(r"\d+\.\d+", line[len(beginning) :])
            if found:
                return float(found.group())
    raise SystemExit(f"no line begins with '{beginning}' in:\n{printed}")


def measured(bench: Bench, rounds: int) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, str(HERE / bench.command[0]), *bench.command[1:]],
            capture_output=True,
            text=True,
            check=True,
        )
        ours.append(figure(done.stdout, bench.ours))
        theirs.append(figure(done.stdout, bench.theirs))
    ratio = statistics.median(there / here for here, there in zip(ours, theirs, strict=True))
    values = (bench.name, bench.peer, bench.unit, statistics.median(ours), statistics.median(theirs), f"{ratio:.2f}")
    return dict(zip(COLUMNS, (*values, "" if bench.bar is None else bench.bar), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for bench in BENCHES:
            row = measured(bench, given.rounds)
            writer.writerow(row)
            file.flush()
            print("  ".join(str(row[name]) for name in COLUMNS), flush=True)


if __name__ == "__main__":
    main()

"""CPU seconds and peak memory of importing, grading again and reporting a large evaluation, at several sizes: does anything grow faster?

`OMP_NUM_THREADS=1 python benchmarks/growth.py [PROBLEMS …] [--rollouts 256] [--folder FOLDER] [--csv FILE]`, by default 1,000 and 10,000
problems with 256 responses each: 2.56 million in the second. Each stage is a process of its own, which is what a user would run:

    counterpoise import responses.jsonl …           the files' own scores become verdicts, and pass@k
    counterpoise grade EVALUATION --verifier numeric   every response is judged
    counterpoise report EVALUATION                  the page

Responses are made up: problems differ in difficulty (Beta(0.5, 1)), wrong answers repeat like words (Zipf, exponent 1.6), a tenth of them
has no answer, and each is a sentence or two of reasoning before it. The disk needs about 0.7 KB for each response.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from written import write_csv

from counterpoise.streams import numpy_generator

STAGES = ("generate", "import", "grade", "report")
CLI = (sys.executable, "-m", "counterpoise")


def responses(problems: int, rollouts: int) -> Iterator[dict[str, object]]:
    """The lines of the file that is imported, problem by problem."""
    generator = numpy_generator(0, "benchmark", "growth")
    for number in range(problems):
        a, b = generator.integers(100, 1000, size=2).tolist()
        prompt = f"Problem {number}: how many apples are {a} apples and {b} apples? Reason, then end with the number."
        right = generator.random(rollouts) < generator.beta(0.5, 1.0)
        silent = generator.random(rollouts) < 0.1
        wrong = a + b + np.minimum(generator.zipf(1.6, size=rollouts), 1 << 20)
        for sample in range(rollouts):
            answer = a + b if right[sample] else int(wrong[sample])
            end = "I cannot say." if silent[sample] and not right[sample] else f"The answer is {answer}."
            yield {
                "prompt": prompt,
                "response": f"First there are {a} apples, and then {b} more of them are put beside these. {end}",
                "gold": str(a + b),
                "score": int(right[sample]),
            }


def command(stage: str, folder: Path, problems: int, rollouts: int) -> list[str]:
    """What is run for a stage."""
    raw, evaluation = folder / "responses.jsonl", folder / "evaluation"
    if stage == "generate":
        return [sys.executable, __file__, str(problems), "--rollouts", str(rollouts), "--write", str(raw)]
    if stage == "import":
        return [*CLI, "import", str(raw), "--verifier", "numeric", "-o", str(evaluation), "--json"]
    if stage == "grade":
        return [*CLI, "grade", str(evaluation), "--verifier", "numeric"]
    return [*CLI, "report", str(evaluation), "-o", str(folder / "report.html")]


def measured(words: list[str]) -> tuple[float, float]:
    """CPU seconds of a command and its peak memory in MiB; workers that it starts are counted in the first."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, done.returncode)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak, returned = done.stdout.split()
    if returned != "0":
        raise SystemExit(f"{' '.join(words)} ended with {returned}")
    return float(seconds), float(peak) / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print a line for each size and stage, and write them as CSV where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--rollouts", type=int, default=256)
    parser.add_argument("--folder", type=Path, help="where the files go and stay; a temporary folder by default")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        with options.write.open("w", encoding="utf-8") as handle:
            for line in responses(options.problems[0], options.rollouts):
                handle.write(json.dumps(line) + "\n")
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for problems in options.problems:
            folder = (options.folder or Path(temporary)) / f"{problems}x{options.rollouts}"
            for stage in STAGES:
                seconds, peak = measured(command(stage, folder, problems, options.rollouts))
                each = 1e6 * seconds / (problems * options.rollouts)
                rows.append((problems, options.rollouts, stage, f"{seconds:.1f}", f"{each:.0f}", f"{peak:.0f}"))
                print(
                    f"{problems:>7,} x {options.rollouts}  {stage:<8} {seconds:9.1f} CPU s {each:6.0f} us a response "
                    f"{peak:7.0f} MiB",
                    flush=True,
                )
    write_csv(
        options.csv, ("problems", "rollouts", "stage", "cpu_seconds", "microseconds_a_response", "peak_mib"), rows
    )


if __name__ == "__main__":
    main()

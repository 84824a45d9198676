r"""Do the golds of a GSM8K file accept themselves and refuse their neighbours?

For every line `{"answer": "… #### 72"}`: the gold alone, in a box, with thousands separators, as a decimal and as a whole worked answer
must be CORRECT; the gold plus and minus one must be WRONG.

    python benchmarks/verify_golds.py gsm8k/train.jsonl gsm8k/test.jsonl
"""

import argparse
import json
import time
from collections import Counter

from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge


def variants(gold: str, demonstration: str) -> list[tuple[str, str, str]]:
    number = int(gold)
    return [
        ("itself", gold, "correct"),
        ("boxed", rf"so \boxed{{{gold}}}.", "correct"),
        ("thousands", rf"\boxed{{{number:,}}}", "correct"),
        ("latex thousands", r"\boxed{" + f"{number:,}".replace(",", "{,}") + "}", "correct"),
        ("money", rf"The answer is \${number:,}.00.", "correct"),
        ("decimal", rf"\boxed{{{gold}.0}}", "correct"),
        ("worked answer", demonstration, "correct"),
        ("plus one", rf"\boxed{{{number + 1}}}", "wrong"),
        ("minus one", rf"\boxed{{{number - 1}}}", "wrong"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    with Judge(timeout=5.0) as judge:
        for path in parser.parse_args().files:
            failures: Counter[str] = Counter()
            total, start = 0, time.perf_counter()
            with open(path) as handle:
                for line in handle:
                    answer = json.loads(line)["answer"]
                    gold = answer.rsplit("####", 1)[1].strip().rstrip(".").replace(",", "")
                    problem = Problem(problem_id="-", task_type="gsm8k", question="-", gold=gold, verifier="math")
                    cases = variants(gold, answer)
                    verdicts = judge.verify([problem] * len(cases), [text for _, text, _ in cases])
                    for (name, text, expected), verdict in zip(cases, verdicts, strict=True):
                        total += 1
                        if verdict.value != expected:
                            failures[name] += 1
                            print(f"  {name}: gold {gold!r}, text {text[-60:]!r}: {verdict.value} by {verdict.rule}")
            seconds = time.perf_counter() - start
            print(
                f"{path}: {total} checks, {sum(failures.values())} failures {dict(failures)}, {total / seconds:,.0f} checks/s"
            )


if __name__ == "__main__":
    main()

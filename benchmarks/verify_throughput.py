r"""Verifications per second: `Judge` (extract once, distinct pairs once, numbers without algebra, the rest in a pool) against math-verify
called once per response, on groups that repeat their answers as real ones do.

A group has 8 responses and, by default, 3 distinct answers; the answers are integers, fractions, surds and polynomials.

    python benchmarks/verify_throughput.py --groups 100 --workers 1
"""

import argparse
import logging
import random
import time

from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge

FAMILIES = {
    "integers": lambda n: (str(n), [str(n), f"{n}.0", str(n + 1), str(2 * n)]),
    "fractions": lambda n: (
        rf"\frac{{{n}}}{{7}}",
        [f"{n}/7", rf"\dfrac{{{n}}}{{7}}", rf"\frac{{{n + 1}}}{{7}}", rf"\frac{{{7}}}{{{n}}}"],
    ),
    "surds": lambda n: (
        rf"{n}\sqrt{{3}}",
        [rf"\sqrt{{{3 * n * n}}}", rf"{n}\sqrt 3", rf"\sqrt{{{3 * n}}}", rf"{n + 1}\sqrt{{3}}"],
    ),
    "polynomials": lambda n: (f"(x+{n})^2", [f"x^2+{2 * n}x+{n * n}", f"(x+{n})(x+{n})", f"x^2+{n * n}", f"(x-{n})^2"]),
}


def make(family: str, groups: int, size: int, distinct: int, rng: random.Random) -> list[tuple[str, str]]:
    items = []
    for group in range(groups):
        gold, answers = FAMILIES[family](group + 2)
        chosen = rng.sample(answers, distinct)
        # Every answer once, the rest of the group repeats them, the first most often.
        picks = chosen + rng.choices(chosen, weights=[2.0**-i for i in range(distinct)], k=size - distinct)
        items += [(gold, rf"So the answer is \boxed{{{answer}}}.") for answer in picks]
    return items


def direct(items: list[tuple[str, str]]) -> list[bool]:
    """What a trainer without a wrapper does: parse and compare every response in its own process, time-outs by alarm."""
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig()]
    return [verify(parse(rf"\boxed{{{gold}}}", config), parse(text, config)) for gold, text in items]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--distinct", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    direct([("1", r"\boxed{x^2}")])
    print(f"{args.groups} groups of {args.size}, {args.distinct} distinct answers each, {args.workers} worker(s)")
    print(f"{'answers':14}{'math-verify/s':>14}{'Judge/s':>12}{'ratio':>8}{'agree':>9}")
    with Judge(workers=args.workers) as judge:
        warm = Problem(problem_id="-", task_type="-", question="-", gold="x", verifier="math")
        judge.verify([warm], [r"\boxed{y+1}"])
        for family in FAMILIES:
            items = make(family, args.groups, args.size, args.distinct, random.Random(args.seed))
            start = time.perf_counter()
            plain = direct(items)
            plain_seconds = time.perf_counter() - start
            problems = [Problem(problem_id=g, task_type="-", question="-", gold=g, verifier="math") for g, _ in items]
            start = time.perf_counter()
            verdicts = judge.verify(problems, [text for _, text in items])
            seconds = time.perf_counter() - start
            agree = sum(v.correct == p for v, p in zip(verdicts, plain, strict=True)) / len(items)
            n = len(items)
            print(
                f"{family:14}{n / plain_seconds:14,.0f}{n / seconds:12,.0f}{plain_seconds / seconds:8.1f}{agree:9.1%}"
            )


if __name__ == "__main__":
    main()

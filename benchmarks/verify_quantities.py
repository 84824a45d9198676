r"""Do SciBench's golds accept themselves in other spellings and units, and refuse their neighbours?

    python benchmarks/verify_quantities.py path/to/scibench

For every problem (the unit required): the gold, its unit in plain text, four per cent off and the value in a thousandth of the unit must be
CORRECT; six per cent off, another sign, ten times the value, another unit and, where there is a unit, the bare number must not be.
"""

import argparse
import time
from collections import Counter
from fractions import Fraction

from counterpoise.tasks.sources.scibench import Scibench
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.text.quantity_text import parse_written_gold
from counterpoise.verifiers.text.unit_text import factors


def number(value: Fraction) -> str:
    return f"{float(value):.9e}"


def variants(gold: str, worked: str) -> list[tuple[str, str, bool]]:
    written = parse_written_gold(gold)
    value, unit = written.value, " ".join(f"{name}^{power}" for name, power in factors(written.unit)[0])
    cases = [
        ("itself", worked, True),
        ("plain text", f"{number(value)} {unit}", True),
        ("4% off", f"{number(value * Fraction('1.04'))} {unit}", True),
        ("6% off", f"{number(value * Fraction('0.94'))} {unit}", value == 0),
        ("other sign", f"{number(-value)} {unit}", value == 0),
        ("ten times", f"{number(10 * value)} {unit}", value == 0),
        ("other unit", f"{number(value)} {unit} kg^3 mol", False),
    ]
    names = dict(factors(written.unit)[0])
    prefixed = [
        name for name, power in names.items() if power == 1 and name in ("J", "m", "s", "N", "V", "eV", "g", "K")
    ]
    if prefixed:
        rest = " ".join(f"{name}^{power}" for name, power in names.items() if name != prefixed[0])
        cases.append(("thousandths", f"{number(1000 * value)} m{prefixed[0]} {rest}", True))
    if unit and unit not in ("percent^1", "%^1", "degree^1", "rad^1"):
        # A count ("photons") is not a unit.
        cases.append(("bare number", number(value), set(names) <= {"photon", "photons", "electron", "electrons"}))
    return [(name, text if text == worked else rf"\boxed{{{text}}}", expected) for name, text, expected in cases]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    problems = Scibench(path=parser.parse_args().path, state_unit=False).problems("test")
    totals: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    start = time.perf_counter()
    with Judge(timeout=30.0) as judge:
        for problem in problems:
            cases = variants(problem.gold, problem.demonstration)
            verdicts = judge.verify([problem] * len(cases), [text for _, text, _ in cases])
            for (name, text, expected), verdict in zip(cases, verdicts, strict=True):
                totals[name] += 1
                if verdict.correct != expected or not verdict.scored:
                    failures[name] += 1
                    print(f"  {name}: gold {problem.gold!r}, text {text!r}: {verdict.value} by {verdict.rule}")
    seconds = time.perf_counter() - start
    for name, total in totals.items():
        print(f"{name}: {total - failures[name]} of {total} as expected")
    print(f"{len(problems)} golds, {totals.total()} checks, {totals.total() / seconds:,.0f} checks/s")


if __name__ == "__main__":
    main()

"""A reward of your own: what a response is worth, between 0 (wrong) and 1 (right)."""

import re


def check(response, gold, *, meta):
    """1 for the target, 0.5 for another value of the right numbers, 0 for anything else."""
    expression = response.strip()
    if not re.fullmatch(r"[\d+\-*/() ]+", expression):
        return 0.0
    if sorted(map(int, re.findall(r"\d+", expression))) != sorted(meta["numbers"]):
        return 0.0
    value = eval(expression)  # digits and operators only; a crash or a hang leaves the response unscored
    return 1.0 if value == float(gold) else 0.5

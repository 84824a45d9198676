"""What blind guessing gets where a problem offers its answers: the floor that pass@k of a multiple-choice task stands on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from counterpoise.types import Problem

__all__ = ["guess_floor", "guess_line"]


def guess_floor(problems: Sequence[Problem], ks: Sequence[int]) -> dict[str, float]:
    """Mean over problems of `1 - (1 - p)^k` by k (as text), with p the problem's `meta["guess_rate"]`, 0 where it has none.

    k independent uniform guesses among m options, p = 1/m, hold the right one with this probability. Empty when no problem has a rate.
    """
    rates = [float(problem.meta.get("guess_rate", 0.0)) for problem in problems]
    if not any(rates):
        return {}
    return {str(k): math.fsum(1.0 - (1.0 - rate) ** k for rate in rates) / len(rates) for k in ks}


def guess_line(floor: Mapping[str, float]) -> str:
    """One line for people, e.g. `guess floor: k=1 25.0%, k=4 68.4%`."""
    return "guess floor: " + ", ".join(f"k={k} {share:.1%}" for k, share in floor.items())

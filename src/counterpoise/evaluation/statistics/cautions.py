"""What a reader should know of intervals from few problems or few seeds: sentences that stand under tables, with measured figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["FEW_PROBLEMS", "few_problems", "few_seeds"]

FEW_PROBLEMS: Final = 30
"""Below so many problems a table of them says that they are few."""


def few_problems(problems: int) -> str | None:
    """A sentence on the intervals of fewer than 30 problems; None for more, or for fewer than two, which have none.

    Figures: `benchmarks/coverage.py`, the ends of what was seen at 8, 10 and 16 problems; for single intervals, where no k has nearly all
    of them solved. The band's least is that of eight problems whose rates have two peaks, at 0 and 1.
    """
    if not 1 < problems < FEW_PROBLEMS:
        return None
    return (
        f"{problems} problems are few: with 8 to 16 of them a 95% interval at one k held its value in 83% to 98% of simulated evaluations, "
        "and a band over all k the whole curve in 87% to 100%, both less often where nearly all are solved; 30 or more make better ones"
    )


def few_seeds(seeds: Iterable[int]) -> str | None:
    """A sentence on intervals over one or two seeds, given how many each row of a table has; None where all have three or more.

    Figures: two seeds as in `benchmarks/coverage.py` and at other numbers of problems; docs/evaluation.md has the table.
    """
    counts = set(seeds)
    said = []
    if 1 in counts:
        said.append("rows of one seed: their intervals are over problems alone and say nothing about another run")
    if 2 in counts:
        said.append(
            "rows of two seeds: a 95% interval held its value in 84% to 99% of simulated studies (three seeds: 91% to 99%), least where "
            "runs of different seeds differ clearly; add a third seed"
        )
    return "; ".join(said) or None

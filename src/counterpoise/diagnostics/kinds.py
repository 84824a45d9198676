"""Which ways to an answer a policy still has: kinds among the right responses of a step. Runs without torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from counterpoise.types import Sum

__all__ = ["KIND", "kind_columns", "kind_totals"]

KIND = "kind/"
"""What the columns of single kinds begin with."""
_MOST = 32
"""Kinds with a column of their own: a task that calls every response a kind would give every step columns of its own."""


def kind_totals(kinds: Iterable[str], known: Iterable[str] = ()) -> dict[str, Sum]:
    """How often each kind occurs among this process's right responses, as `kind/NAME`; `count` is not used.

    Args:
        kinds: of each right response.
        known: kinds that are reported though they do not occur.
    """
    counts = Counter(dict.fromkeys(known, 0))
    counts.update(kinds)
    return {f"{KIND}{kind}": Sum(total=number, count=0) for kind, number in counts.items()}


def kind_columns(totals: Mapping[str, Sum]) -> dict[str, float]:
    """The columns of the kinds of a step, whose totals are those of all processes; none where the task has no kinds.

    `kind/NAME` is the share s of a kind among the right responses (of the 32 most frequent ones, where there are more), `kinds_kept` the
    number of kinds that occur among them, and `kinds_effective` is `exp(-sum s log s)`: as many kinds as, equally frequent, would be as
    hard to guess. All are NaN without a right response.
    """
    counts = {name: value.total for name, value in totals.items() if name.startswith(KIND)}
    if not counts:
        return {}
    right = math.fsum(counts.values())
    shares = {name: count / right if right else math.nan for name, count in counts.items()}
    there = [share for share in shares.values() if share > 0]
    most = sorted(shares, key=lambda name: (-counts[name], name))[:_MOST]
    return {
        "kinds_kept": float(len(there)) if right else math.nan,
        "kinds_effective": math.exp(-math.fsum(share * math.log(share) for share in there)) if right else math.nan,
        **{name: shares[name] for name in sorted(most)},
    }

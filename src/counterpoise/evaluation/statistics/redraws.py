"""Whether two curves of pass@k are two draws from one policy on the same problems."""

from __future__ import annotations

import math
from collections.abc import Sequence

from counterpoise.errors import UsageError

__all__ = ["redrawn"]

_DEVIATIONS = 3.5
"""Of a normal variable one draw in 2,000 is further away; the bound is that of the worst problems, and most move by half of it."""
_MOST = 0.03
"""By how much pass@1 may differ where so few rollouts were drawn that a draw alone would explain more."""
_ROUNDED = 1e-8
"""Numbers of a table have ten digits."""


def redrawn(one: Sequence[float], other: Sequence[float], ks: Sequence[int], *, problems: int) -> bool:
    """Whether drawing again explains how two curves over the same P problems differ.

    pass@k from n rollouts is a U-statistic of order k whose kernel is 0 or 1, so that its variance is at most k/n that of the kernel
    (Hoeffding 1948, theorem 5.2), and that of the mean over problems at most `k q (1 - q) / (n P)`, q the mean pass@k. The curves are taken
    for draws from one policy where they differ at no k by more than `3.5 sqrt(2 k q (1 - q) / (n P))`, with the largest k for n, which is
    as many or fewer. Where that is more than 3 points at the first k, a draw would explain a lot: then, or where P is unknown, only equal
    curves are. A policy that moved by less than all this passes, too: of few problems it may have moved by several points at large k.

    Args:
        one: pass@k in [0, 1] at each k.
        other: the same of the other draw.
        ks: numbers of tries, ascending.
        problems: P, or 0 where it is not known.

    Raises:
        UsageError: the three have other lengths or none.
    """
    if not ks or not len(one) == len(other) == len(ks):
        raise UsageError(f"{len(one)} and {len(other)} values at {len(ks)} k; expected as many of each, at least one")
    if problems < 1:
        return False
    allowed = []
    for a, b, k in zip(one, other, ks, strict=True):
        mean = min(max((a + b) / 2, 0.0), 1.0)
        allowed.append(_DEVIATIONS * math.sqrt(2 * k * mean * (1 - mean) / (ks[-1] * problems)))
    return allowed[0] <= _MOST and all(
        abs(a - b) <= most + _ROUNDED for a, b, most in zip(one, other, allowed, strict=True)
    )

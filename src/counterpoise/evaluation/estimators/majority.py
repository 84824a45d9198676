"""maj@k: the chance that a majority vote among k responses is right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import (
    MAX_ROLLOUTS,
    FloatArray,
    IntArray,
    check_k,
    integers,
)
from counterpoise.lazy import special

__all__ = ["maj_at_k"]

_NEGLIGIBLE = 1e-18
"""Share of a chance that is left out; a thousand such terms stay below the rounding of one double."""


def maj_at_k(
    counts: Sequence[npt.ArrayLike],
    correct: Sequence[npt.ArrayLike],
    k: npt.ArrayLike,
    *,
    silent: npt.ArrayLike | None = None,
) -> FloatArray:
    """Unbiased chance that the most frequent answer among k responses to a problem is right, ties broken at random.

    The mean over all k-subsets of the n responses of `(right answers among the most frequent) / (most frequent answers)`; exact, without
    sampling (majority voting: Wang et al. 2022, arXiv 2203.11171). Answers are grouped beforehand, best by the verifier's equivalence:
    grouped by their text, one answer in two spellings splits its votes. A response without an answer is drawn but does not vote; a
    subset without any vote is wrong.

    Algorithm. Draws without replacement are independent binomial draws X_j ~ B(a_j, k/n) from each class, given that their sum is k.
    For a winning count t and a tie weight y, class j contributes `P(X_j < t) + y P(X_j = t)`, and a correct winner i
    `P(X_i = t)` instead; the integral over y in [0, 1] turns the y^s of s further tied classes into the 1/(1 + s) of a fair draw (Gauss and
    Legendre's rule with enough nodes is exact). The condition on the sum is one coefficient of a polynomial in the number drawn, read
    off its values at roots of unity, as many as keep every coefficient of weight from folding onto it. Winning counts and coefficients
    with less than 1e-18 of the whole are left out, classes of one size are taken together, equal problems once. All terms are
    probabilities and the error is absolute, near 1e-13; benchmarks/estimators.py measures the time.

    Args:
        counts: for each of P problems, the responses in each class of equal answers; ragged, an empty list where nothing answered.
        correct: for each problem, whether each class is right; several may be.
        k: (K,) numbers of votes, each at least 1.
        silent: (P,) responses without an answer; none by default.

    Returns:
        (P, K) chances in [0, 1]; NaN where answers and silent responses are fewer than k, because k-subsets do not exist there.

    Raises:
        UsageError: lengths that differ, counts that are not integers >= 0, flags that are not true or false, more than `MAX_ROLLOUTS`
            responses, or k < 1.
    """
    k_K = check_k(k)
    silent_P = np.zeros(len(counts), dtype=np.int64) if silent is None else integers("silent", silent)
    if not len(counts) == len(correct) == len(silent_P) or (silent_P < 0).any():
        raise UsageError(
            f"counts, correct and silent need one entry >= 0 for each problem; got {len(counts)}, {len(correct)} and {len(silent_P)}"
        )
    values_PK = np.full((len(counts), k_K.size), np.nan)
    met: dict[tuple[bytes, bytes, int], int] = {}
    for row, (classes, flags, mute) in enumerate(zip(counts, correct, silent_P.tolist(), strict=True)):
        sizes_M, right_M = _classes(row, classes, flags)
        earlier = met.setdefault((sizes_M.tobytes(), right_M.tobytes(), mute), row)
        if earlier != row:
            values_PK[row] = values_PK[earlier]
            continue
        n = int(sizes_M.sum()) + mute
        if n > MAX_ROLLOUTS:
            raise UsageError(f"problem {row} (from 0) has {n} responses; at most {MAX_ROLLOUTS} are taken")
        for column, votes in enumerate(k_K.tolist()):
            if votes <= n:
                values_PK[row, column] = _vote(sizes_M, right_M, mute, votes)
    return values_PK


def _classes(row: int, classes: npt.ArrayLike, flags: npt.ArrayLike) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    sizes_M = integers(f"the counts of problem {row} (from 0)", classes)
    right_M = np.asarray(flags)
    if right_M.size == 0:
        right_M = np.zeros(0, dtype=np.bool_)
    if right_M.dtype != np.bool_ or right_M.shape != sizes_M.shape or (sizes_M < 0).any():
        raise UsageError(
            f"problem {row} (from 0) needs a count >= 0 and true or false for each answer class; "
            f"got {sizes_M.tolist()} and {right_M.tolist()}"
        )
    sizes_M, right_M = sizes_M[sizes_M > 0], right_M[sizes_M > 0]
    order = np.lexsort((right_M, sizes_M))
    return sizes_M[order], right_M[order]


def _vote(sizes_M: IntArray, right_M: npt.NDArray[np.bool_], silent: int, k: int) -> float:
    if not right_M.any():
        return 0.0
    if right_M.all() and k > silent:
        return 1.0
    n = int(sizes_M.sum()) + silent
    drawn = _binomial(n, k / n)
    points = _points(drawn, k)
    turns_F = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    wins_Q, ties_Q, weights_Q = _wins(sizes_M, sizes_M[right_M], n, k, drawn)
    top = int(wins_Q.max(initial=0))
    powers_tF = turns_F ** np.arange(top + 1)[:, None]
    nobody_QF = np.broadcast_to(
        (_binomial(silent, k / n) * turns_F[:, None] ** np.arange(silent + 1)).sum(axis=1), (wins_Q.size, turns_F.size)
    )

    def factors(size: int) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
        """P(X < t) + y P(X = t), and P(X = t), each times its turn."""
        chances_t = np.zeros(top + 1)
        chances = _binomial(size, k / n)[: top + 1]
        chances_t[: chances.size] = chances
        terms_tF = chances_t[:, None] * powers_tF
        below_tF = np.cumsum(terms_tF, axis=0) - terms_tF
        exactly_QF = terms_tF[wins_Q]
        return below_tF[wins_Q] + ties_Q[:, None] * exactly_QF, exactly_QF

    # Most classes share their size with others, and the wrong ones never win: one power for each size, before the right ones.
    for size, times in zip(*np.unique(sizes_M[~right_M], return_counts=True), strict=True):
        nobody_QF = nobody_QF * _power(factors(int(size))[0], int(times))
    winner_QF = np.zeros_like(nobody_QF)
    for size in sizes_M[right_M].tolist():
        factor_QF, exactly_QF = factors(size)
        winner_QF = winner_QF * factor_QF + nobody_QF * exactly_QF
        nobody_QF = nobody_QF * factor_QF
    # A real polynomial's values at conjugate points are conjugate: half of the points are enough.
    twice_F = np.full(turns_F.size, 2.0)
    twice_F[0] = 1.0
    if points % 2 == 0:
        twice_F[-1] = 1.0
    wanted_F = np.exp(2j * np.pi * (k * np.arange(turns_F.size) % points) / points) * twice_F / points
    joint = float((weights_Q @ winner_QF @ wanted_F).real)
    return min(max(joint / float(drawn[k]), 0.0), 1.0)


def _points(drawn: FloatArray, k: int) -> int:
    """Roots of unity that keep every coefficient of weight from folding onto the k-th.

    No coefficient exceeds the chance that so many are drawn at all, so what lies beyond the last count with a chance above
    `_NEGLIGIBLE` of the k-th's adds less than that.
    """
    heavy = np.flatnonzero(drawn > _NEGLIGIBLE * drawn[k])
    return int(max(k - heavy[0], heavy[-1] - k)) + 1


def _wins(
    sizes_M: IntArray, right_sizes: IntArray, n: int, k: int, drawn: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Winning counts t, tie weights y and quadrature weights, one row q for each pair (t, y).

    Only t that a right class reaches with a chance above `_NEGLIGIBLE` are kept. At most k // t classes hold t each, so s further ones
    give a degree of at most min(k // t, classes that large) - 1 in y, for which degree // 2 + 1 nodes are exact.
    """
    counts_t = np.arange(1, min(k, int(right_sizes.max())) + 1)
    likely_t = np.zeros(counts_t.size, dtype=np.bool_)
    for size in np.unique(right_sizes).tolist():
        own, rest = _binomial(size, k / n), _binomial(n - size, k / n)
        possible = np.flatnonzero((counts_t <= size) & (k - counts_t <= n - size))
        t = counts_t[possible]
        likely_t[possible] |= own[t] * rest[k - t] > _NEGLIGIBLE * drawn[k]
    counts_t = counts_t[likely_t]
    tied_t = np.minimum(k // counts_t, (sizes_M[:, None] >= counts_t).sum(axis=0))
    nodes_t = (tied_t + 1) // 2
    wins_Q = np.repeat(counts_t, nodes_t)
    rules = [_gauss(nodes) for nodes in nodes_t.tolist()]
    ties_Q = np.concatenate([np.zeros(0), *(ties for ties, _ in rules)])
    weights_Q = np.concatenate([np.zeros(0), *(weights for _, weights in rules)])
    return wins_Q, ties_Q, weights_Q


@lru_cache(maxsize=1024)
def _gauss(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of Gauss and Legendre's rule on [0, 1]."""
    places, weights = special.roots_legendre(nodes)
    return (places + 1) / 2, weights / 2


def _power(base: npt.NDArray[np.complex128], exponent: int) -> npt.NDArray[np.complex128]:
    """`base ** exponent` by squaring; numpy takes a logarithm for complex numbers, which is slower and less exact."""
    power = base
    for bit in f"{exponent:b}"[1:]:
        power = power * power
        if bit == "1":
            power = power * base
    return power


def _binomial(size: int, chance: float) -> FloatArray:
    """P(X = x) for x = 0..size."""
    x = np.arange(size + 1)
    ways = special.gammaln(size + 1) - special.gammaln(x + 1) - special.gammaln(size - x + 1)
    probabilities: FloatArray = np.exp(ways + special.xlogy(x, chance) + special.xlog1py(size - x, -chance))
    return probabilities

"""maj@k: the chance that a majority vote among k responses is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, roots_legendre, xlog1py, xlogy

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import (
    MAX_ROLLOUTS,
    FloatArray,
    IntArray,
    check_k,
    integers,
)

__all__ = ["maj_at_k"]


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
    off its values at max(k, n - k) + 1 roots of unity. All terms are probabilities and the error is absolute, near 1e-13; time is about
    classes * k log(k) * n, a few milliseconds at n = 256.

    Args:
        counts: for each of P problems, the responses in each class of equal answers; ragged, an empty list where nothing answered.
        correct: for each problem, whether each class is right; several may be.
        k: (K,) numbers of votes, each at least 1.
        silent: (P,) responses without an answer; none by default.

    Returns:
        (P, K) chances in [0, 1]; NaN where answers and silent responses are fewer than k, because k-subsets do not exist there.

    Raises:
        UsageError: lengths that differ, counts that are no integers >= 0, flags that are not true or false, more than `MAX_ROLLOUTS`
            responses, or k < 1.
    """
    k_K = check_k(k)
    silent_P = np.zeros(len(counts), dtype=np.int64) if silent is None else integers("silent", silent)
    if not len(counts) == len(correct) == len(silent_P) or (silent_P < 0).any():
        raise UsageError(
            f"counts, correct and silent need one entry >= 0 for each problem; got {len(counts)}, {len(correct)} and {len(silent_P)}"
        )
    values_PK = np.full((len(counts), k_K.size), np.nan)
    for row, (classes, flags, mute) in enumerate(zip(counts, correct, silent_P.tolist(), strict=True)):
        sizes_M, right_M = _classes(row, classes, flags)
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
    return sizes_M[sizes_M > 0], right_M[sizes_M > 0]


def _vote(sizes_M: IntArray, right_M: npt.NDArray[np.bool_], silent: int, k: int) -> float:
    if not right_M.any():
        return 0.0
    if right_M.all() and k > silent:
        return 1.0
    n = int(sizes_M.sum()) + silent
    top = min(k, int(sizes_M.max()))
    # Row q is one winning count t with one node y. At most k // t classes hold t each, so s further ones give a degree of at most
    # min(k // t, classes that large) - 1 in y, for which degree // 2 + 1 nodes are exact.
    counts_t = np.arange(1, top + 1)
    tied_t = np.minimum(k // counts_t, (sizes_M[:, None] >= counts_t).sum(axis=0))
    nodes_t = (tied_t + 1) // 2
    wins_Q = np.repeat(counts_t, nodes_t)
    rules = {nodes: roots_legendre(nodes) for nodes in np.unique(nodes_t).tolist()}
    ties_Q = np.concatenate([(rules[nodes][0] + 1) / 2 for nodes in nodes_t.tolist()])
    weights_Q = np.concatenate([rules[nodes][1] / 2 for nodes in nodes_t.tolist()])

    # Degrees above n - k + k do not occur, so this many points keep every other coefficient from folding onto the k-th.
    points = max(k, n - k) + 1
    turns_F = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    powers_tF = turns_F ** np.arange(top + 1)[:, None]
    nobody_QF = np.broadcast_to(
        (_binomial(silent, k / n) * turns_F[:, None] ** np.arange(silent + 1)).sum(axis=1), (wins_Q.size, turns_F.size)
    ).copy()
    winner_QF = np.zeros_like(nobody_QF)
    for size, right in zip(sizes_M.tolist(), right_M.tolist(), strict=True):
        chances_t = np.zeros(top + 1)
        chances = _binomial(size, k / n)
        chances_t[: min(size, top) + 1] = chances[: top + 1]
        terms_tF = chances_t[:, None] * powers_tF
        below_tF = np.cumsum(terms_tF, axis=0) - terms_tF
        exactly_QF = terms_tF[wins_Q]
        factor_QF = below_tF[wins_Q] + ties_Q[:, None] * exactly_QF
        winner_QF *= factor_QF
        if right:
            winner_QF += nobody_QF * exactly_QF
        nobody_QF *= factor_QF
    # A real polynomial's values at conjugate points are conjugate: half of the points are enough.
    twice_F = np.full(turns_F.size, 2.0)
    twice_F[0] = 1.0
    if points % 2 == 0:
        twice_F[-1] = 1.0
    wanted_F = np.exp(2j * np.pi * (k * np.arange(turns_F.size) % points) / points) * twice_F / points
    joint = float((weights_Q @ winner_QF @ wanted_F).real)
    return min(max(joint / float(_binomial(n, k / n)[k]), 0.0), 1.0)


def _binomial(size: int, chance: float) -> FloatArray:
    """P(X = x) for x = 0..size."""
    x = np.arange(size + 1)
    ways = gammaln(size + 1) - gammaln(x + 1) - gammaln(size - x + 1)
    probabilities: FloatArray = np.exp(ways + xlogy(x, chance) + xlog1py(size - x, -chance))
    return probabilities

"""Mean of a score of the number of right responses among k drawn without replacement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from counterpoise.evaluation.estimators.subsets import FloatArray, IntArray

__all__ = ["MARGIN", "expected_score"]

MARGIN = 1e-9
"""Taken off tau * k before it is rounded up: 0.7 * 10 is 7.000000000000001 in floating point and means 7."""

_ENTRIES_AT_ONCE = 1 << 21
"""Probabilities held in memory at a time (16 MiB)."""


def expected_score(
    n_P: IntArray, c_P: IntArray, k_K: IntArray, score: Callable[[int, FloatArray], FloatArray]
) -> FloatArray:
    """`E[score(k, X)]` with X hypergeometric: the right ones in a k-subset of n responses of which c are right.

    The probabilities come from the ratio of neighbours,
    `P(X = j + 1) / P(X = j) = (c - j)(k - j) / ((j + 1)(n - c - k + j + 1))`, summed in logarithms over the support, shifted to their
    maximum and divided by their total. No binomial is formed, all terms are positive, and equal (n, c) are computed once.

    Args:
        n_P: (P,) responses.
        c_P: (P,) right ones among them.
        k_K: (K,) sizes of the subsets.
        score: from k and the numbers of right ones (any shape) to their scores (same shape).

    Returns:
        (P, K); NaN where n < k.
    """
    values_PK = np.full((n_P.size, k_K.size), np.nan)
    pairs, back = np.unique(np.stack([n_P, c_P]), axis=1, return_inverse=True)
    n_U, c_U = pairs
    for column, k in enumerate(k_K.tolist()):
        values_U = np.full(n_U.size, np.nan)
        possible = np.flatnonzero(n_U >= k)
        # Neighbours in c have supports of like width, so little of a chunk is padding.
        possible = possible[np.argsort(c_U[possible], kind="stable")]
        step = max(1, _ENTRIES_AT_ONCE // (k + 1))
        for start in range(0, possible.size, step):
            rows = possible[start : start + step]
            values_U[rows] = _expectation(n_U[rows], c_U[rows], k, score)
        values_PK[:, column] = values_U[back.reshape(-1)]
    return values_PK


def _expectation(n_U: IntArray, c_U: IntArray, k: int, score: Callable[[int, FloatArray], FloatArray]) -> FloatArray:
    low_U, high_U = np.maximum(0, k - (n_U - c_U)), np.minimum(c_U, k)
    n, c = n_U.astype(np.float64)[:, None], c_U.astype(np.float64)[:, None]
    j = low_U[:, None] + np.arange(int((high_U - low_U).max()) + 1, dtype=np.float64)
    before = j[:, :-1]
    # The factors turn negative or zero only past the support, where nothing is left.
    up = np.maximum(c - before, 0) * np.maximum(k - before, 0)
    logs = np.full(j.shape, -np.inf)
    logs[:, 0] = 0.0
    np.log(up / ((before + 1) * (n - c - k + before + 1)), out=logs[:, 1:], where=up > 0)
    np.cumsum(logs, axis=1, out=logs)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    expectation: FloatArray = (weights * score(k, j)).sum(axis=1) / weights.sum(axis=1)
    return expectation

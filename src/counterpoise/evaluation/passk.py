"""pass@k from counts: the unbiased estimator, its k sweep, and what unscored rollouts could have made of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError

__all__ = ["MAX_ROLLOUTS", "k_sweep", "pass_at_k", "pass_at_k_bounds"]

MAX_ROLLOUTS = 1 << 20
"""Most rollouts of one problem; a larger count is a slip in a file, and would ask for gigabytes."""


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Unbiased chance that at least one of k responses to a problem is right, from n drawn of which c were right.

    `pass@k = 1 - C(n - c, k) / C(n, k)`, the share of k-subsets of the n responses that hold a right one
    (Chen et al. 2021, arXiv 2107.03374, eq. 1). The quotient is taken as the product over i < c of
    `(n - k - i) / (n - i)`, whose factors lie in [0, 1]: no binomial is formed and nothing cancels.

    Args:
        n: (P,) scored rollouts of each problem (unscored ones are not in n).
        c: (P,) correct ones among them.
        k: (K,) numbers of tries, each at least 1.

    Returns:
        (P, K) estimates in [0, 1]; NaN, never 0 or 1, where n < k, because k-subsets do not exist there.

    Raises:
        UsageError: an entry is no integer, is negative, c > n, n is above `MAX_ROLLOUTS`, or the lengths differ.
    """
    n_P, c_P, k_K = _integers("n", n), _integers("c", c), _integers("k", k)
    _check(n_P, c_P, k_K)
    estimates_PK = np.full((n_P.size, k_K.size), np.nan)
    order = np.argsort(n_P, kind="stable")
    sizes, starts = np.unique(n_P[order], return_index=True)
    for size, rows in zip(sizes.tolist(), np.split(order, starts[1:]), strict=False):
        drawn = size - np.arange(c_P[rows].max())
        for column, tries in enumerate(k_K.tolist()):
            if tries <= size:
                misses = np.cumprod(np.concatenate(([1.0], np.maximum(drawn - tries, 0) / drawn)))
                estimates_PK[rows, column] = 1.0 - misses[c_P[rows]]
    return estimates_PK


def pass_at_k_bounds(
    n: npt.ArrayLike, c: npt.ArrayLike, unscored: npt.ArrayLike, k: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """pass@k had every unscored rollout been wrong, and had every one been right.

    With u unscored rollouts beside the n scored ones: `pass@k(n + u, c, k)` and `pass@k(n + u, c + u, k)`, each (P, K), NaN where
    n + u < k. Without unscored rollouts both equal `pass_at_k(n, c, k)`.

    Raises:
        UsageError: as `pass_at_k`.
    """
    n_P, c_P, u_P = _integers("n", n), _integers("c", c), _integers("unscored", unscored)
    if u_P.shape != n_P.shape or (u_P < 0).any():
        raise UsageError(
            f"unscored must be one count >= 0 for each of the {n_P.size} problems; got {u_P.size} counts, the least {u_P.min(initial=0)}"
        )
    _check(n_P, c_P, _integers("k", k))
    return pass_at_k(n_P + u_P, c_P, k), pass_at_k(n_P + u_P, c_P + u_P, k)


def k_sweep(n_max: int) -> list[int]:
    """Powers of two up to n: `k_sweep(12) == [1, 2, 4, 8]`; empty below 1."""
    return [1 << power for power in range(max(n_max, 0).bit_length())]


def _integers(name: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.atleast_1d(np.asarray(values))
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(
            f"{name} must be a list of integers, one for each problem (or each k); got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)


def _check(n_P: npt.NDArray[np.int64], c_P: npt.NDArray[np.int64], k_K: npt.NDArray[np.int64]) -> None:
    if n_P.shape != c_P.shape:
        raise UsageError(f"n and c must have one entry for each problem; got {n_P.size} and {c_P.size}")
    if (k_K < 1).any():
        raise UsageError(f"k must be at least 1; got {int(k_K.min())}")
    wrong = np.flatnonzero((c_P < 0) | (c_P > n_P) | (n_P > MAX_ROLLOUTS))
    if wrong.size:
        row = int(wrong[0])
        raise UsageError(
            f"problem {row} (from 0) has n={n_P[row]} rollouts and c={c_P[row]} correct; counts must satisfy 0 <= c <= n <= {MAX_ROLLOUTS}"
        )

"""Checked counts, and the share of k-subsets without a marked element, from which pass@k and pass^k are made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError

__all__ = [
    "MAX_ROLLOUTS",
    "FloatArray",
    "IntArray",
    "check_counts",
    "check_k",
    "check_share",
    "integers",
    "share_without",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_ROLLOUTS = 1 << 20
"""Most rollouts of one problem; a larger count is a slip in a file, and would ask for gigabytes."""


def integers(name: str, values: npt.ArrayLike) -> IntArray:
    """`values` as a list of integers; a single one is a list of one.

    Raises:
        UsageError: another type or more than one dimension; floats that happen to be whole are refused too.
    """
    array = np.atleast_1d(np.asarray(values))
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(
            f"{name} must be a list of integers, one for each problem (or each k); got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)


def check_counts(n: npt.ArrayLike, c: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Return n and c as (P,) integers with 0 <= c <= n <= `MAX_ROLLOUTS`.

    Raises:
        UsageError: they are not; the first offending problem is named.
    """
    n_P, c_P = integers("n", n), integers("c", c)
    if n_P.shape != c_P.shape:
        raise UsageError(f"n and c must have one entry for each problem; got {n_P.size} and {c_P.size}")
    wrong = np.flatnonzero((c_P < 0) | (c_P > n_P) | (n_P > MAX_ROLLOUTS))
    if wrong.size:
        row = int(wrong[0])
        raise UsageError(
            f"problem {row} (from 0) has n={n_P[row]} rollouts and c={c_P[row]} correct; counts must satisfy 0 <= c <= n <= {MAX_ROLLOUTS}"
        )
    return n_P, c_P


def check_k(k: npt.ArrayLike) -> IntArray:
    """Return k as (K,) integers of at least 1.

    Raises:
        UsageError: they are not.
    """
    k_K = integers("k", k)
    if (k_K < 1).any():
        raise UsageError(f"k must be at least 1; got {int(k_K.min())}")
    return k_K


def check_share(name: str, value: float) -> float:
    """`value`, where it lies in [0, 1].

    Raises:
        UsageError: it does not.
    """
    if not 0 <= value <= 1:
        raise UsageError(f"{name} is a share of the responses and must lie in [0, 1]; got {value}")
    return float(value)


def share_without(n_P: IntArray, marked_P: IntArray, k_K: IntArray) -> FloatArray:
    """Share of k-subsets of n elements that hold none of the marked ones, `C(n - m, k) / C(n, k)`.

    Taken as the product over i < m of `(n - k - i) / (n - i)`, whose factors lie in [0, 1]: no binomial is formed and nothing cancels,
    so small shares keep their relative precision.

    Args:
        n_P: (P,) elements.
        marked_P: (P,) marked ones, 0 <= m <= n.
        k_K: (K,) sizes of the subsets, k >= 1.

    Returns:
        (P, K); NaN where n < k, because k-subsets do not exist there.
    """
    shares_PK = np.full((n_P.size, k_K.size), np.nan)
    order = np.argsort(n_P, kind="stable")
    sizes, starts = np.unique(n_P[order], return_index=True)
    for size, rows in zip(sizes.tolist(), np.split(order, starts[1:]), strict=False):
        left = size - np.arange(marked_P[rows].max())
        for column, tries in enumerate(k_K.tolist()):
            if tries <= size:
                products = np.cumprod(np.concatenate(([1.0], np.maximum(left - tries, 0) / left)))
                shares_PK[rows, column] = products[marked_P[rows]]
    return shares_PK

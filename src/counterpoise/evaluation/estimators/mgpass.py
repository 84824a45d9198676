"""mG-Pass@k: G-Pass@k averaged over the thresholds above one half."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.evaluation.estimators.hypergeometric import expected_score
from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts, check_k

__all__ = ["mg_pass_at_k"]


def mg_pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike) -> FloatArray:
    """Area under G-Pass@k_tau for tau from 1/2 to 1, in the sum by which its authors define it.

    `mG-Pass@k = 2/k * sum over i from ceil(k/2) + 1 to k of G-Pass@k_{i/k}` (Liu et al. 2024, arXiv 2412.13147), which is
    `2/k * E[max(X - ceil(k/2), 0)]` with X the right ones among k.

    Conventions: for odd k the sum has (k - 1)/2 terms and a problem with every response right gets (k - 1)/k, not 1; compare runs at
    the same k, best an even one. At k = 1 the sum is empty and the value undefined (other implementations say 0).

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        k: (K,) numbers of tries, each at least 1.

    Returns:
        (P, K) estimates in [0, 1]; NaN where n < k, because k-subsets do not exist there, and at k = 1.

    Raises:
        UsageError: an entry is not an integer, is negative, c > n, n is above `MAX_ROLLOUTS`, k < 1, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    k_K = check_k(k)
    values_PK = expected_score(n_P, c_P, k_K, _excess)
    values_PK[:, k_K == 1] = np.nan
    return values_PK


def _excess(k: int, right: FloatArray) -> FloatArray:
    excess: FloatArray = 2 / k * np.maximum(right - (k + 1) // 2, 0)
    return excess

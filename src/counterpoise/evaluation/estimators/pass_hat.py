"""pass^k: the chance that all of k responses are right."""

from __future__ import annotations

import numpy.typing as npt

from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts, check_k, share_without

__all__ = ["pass_hat_k"]


def pass_hat_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike) -> FloatArray:
    """Unbiased chance that k responses to a problem are all right, from n drawn of which c were right.

    `pass^k = C(c, k) / C(n, k)`, the share of k-subsets without a wrong response (Yao et al. 2024, arXiv 2406.12045).
    The plug-in `(c/n)^k` is biased upwards and is not used. G-Pass@k at tau = 1 is the same number.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        k: (K,) numbers of tries, each at least 1.

    Returns:
        (P, K) estimates in [0, 1]; NaN where n < k, because k-subsets do not exist there.

    Raises:
        UsageError: an entry is not an integer, is negative, c > n, n is above `MAX_ROLLOUTS`, k < 1, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    return share_without(n_P, n_P - c_P, check_k(k))

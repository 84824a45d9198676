"""G-Pass@k at a threshold tau: the chance that at least a share tau of k responses is right."""

from __future__ import annotations

import math

import numpy.typing as npt

from counterpoise.evaluation.estimators.hypergeometric import MARGIN, expected_score
from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts, check_k, check_share

__all__ = ["g_pass_at_k"]


def g_pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike, tau: float) -> FloatArray:
    """Unbiased chance that at least ceil(tau k) of k responses to a problem are right.

    `G-Pass@k_tau = sum over j >= ceil(tau k) of C(c, j) C(n - c, k - j) / C(n, k)` (Liu et al. 2024, arXiv 2412.13147).
    At least one right response is always asked for, so tau = 0 (and every tau <= 1/k) is pass@k; tau = 1 is pass^k. `MARGIN` is taken
    off tau k before it is rounded up.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        k: (K,) numbers of tries, each at least 1.
        tau: share of the k responses that must be right, in [0, 1].

    Returns:
        (P, K) estimates in [0, 1]; NaN where n < k, because k-subsets do not exist there.

    Raises:
        UsageError: tau outside [0, 1]; an entry is not an integer, is negative, c > n, n is above `MAX_ROLLOUTS`, k < 1, or
            the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    share = check_share("tau", tau)

    def enough(k: int, right: FloatArray) -> FloatArray:
        return (right >= max(1, math.ceil(share * k - MARGIN))).astype(right.dtype)

    return expected_score(n_P, c_P, check_k(k), enough)

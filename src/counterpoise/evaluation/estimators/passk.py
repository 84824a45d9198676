"""pass@k from counts: the unbiased estimator, its k sweep, and what unscored rollouts could have made of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.evaluation.estimators.bounds import bounds
from counterpoise.evaluation.estimators.subsets import check_counts, check_k, share_without

__all__ = ["k_sweep", "pass_at_k", "pass_at_k_bounds"]


def pass_at_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Unbiased chance that at least one of k responses to a problem is right, from n drawn of which c were right.

    `pass@k = 1 - C(n - c, k) / C(n, k)`, the share of k-subsets of the n responses that hold a right one
    (Chen et al. 2021, arXiv 2107.03374, eq. 1), by `share_without`, which forms no binomial.

    Args:
        n: (P,) scored rollouts of each problem (unscored ones are not in n).
        c: (P,) correct ones among them.
        k: (K,) numbers of tries, each at least 1.

    Returns:
        (P, K) estimates in [0, 1]; NaN, never 0 or 1, where n < k, because k-subsets do not exist there.

    Raises:
        UsageError: an entry is not an integer, is negative, c > n, n is above `MAX_ROLLOUTS`, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    estimates_PK: npt.NDArray[np.float64] = 1.0 - share_without(n_P, c_P, check_k(k))
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
    return bounds(pass_at_k, n, c, unscored, k)


def k_sweep(n_max: int) -> list[int]:
    """Powers of two up to n: `k_sweep(12) == [1, 2, 4, 8]`; empty below 1."""
    return [1 << power for power in range(max(n_max, 0).bit_length())]

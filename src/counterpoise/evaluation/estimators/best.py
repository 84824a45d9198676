"""best@k: the expected highest reward among k responses, for rewards that are not just right or wrong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray, check_k

__all__ = ["best_at_k"]


def best_at_k(rewards: npt.ArrayLike, k: npt.ArrayLike) -> FloatArray:
    """Unbiased mean of the highest reward among k responses.

    With the n rewards of a problem in ascending order, `best@k = sum over i from k to n of r_(i) C(i - 1, k - 1) / C(n, k)`: the i-th is
    the highest of a k-subset when the other k - 1 lie below it; which of equal rewards is named highest does not matter. The weights
    follow from `w_n = k/n`, `w_(i-1) = w_i (i - k)/(i - 1)`, all in [0, 1]. For rewards 0 and 1 it is pass@k.

    Args:
        rewards: (P, N) rewards; NaN means no reward (unscored, or fewer responses to this problem). To bound what unscored ones could have
            made, give it twice with them at the lowest and at the highest reward.
        k: (K,) numbers of tries, each at least 1.

    Returns:
        (P, K); NaN where a problem has fewer than k rewards, because k-subsets do not exist there.

    Raises:
        UsageError: rewards are not (P, N), one is infinite, or k < 1.
    """
    try:
        rewards_PN = np.asarray(rewards, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"rewards must be numbers in rows of one length, filled up with NaN where a problem has fewer: {error}"
        ) from error
    if rewards_PN.ndim != 2:
        raise UsageError(f"rewards must have one row for each problem; got shape {rewards_PN.shape}")
    if np.isinf(rewards_PN).any():
        row = int(np.flatnonzero(np.isinf(rewards_PN).any(axis=1))[0])
        raise UsageError(f"problem {row} (from 0) has an infinite reward; rewards must be finite, or NaN for none")
    k_K = check_k(k)
    ascending_PN = np.sort(rewards_PN, axis=1)  # NaN goes last
    n_P = (~np.isnan(rewards_PN)).sum(axis=1)
    values_PK = np.full((len(rewards_PN), k_K.size), np.nan)
    for n in np.unique(n_P).tolist():
        rows, columns = np.flatnonzero(n_P == n), np.flatnonzero(k_K <= n)
        if columns.size:
            weights_NK = np.stack([_weights(n, tries) for tries in k_K[columns].tolist()], axis=1)
            ranked = ascending_PN if rows.size == len(n_P) else ascending_PN[rows]
            values_PK[np.ix_(rows, columns)] = ranked[:, :n] @ weights_NK
    return values_PK


def _weights(n: int, k: int) -> FloatArray:
    rank = np.arange(n, 1, -1, dtype=np.float64)
    descending = np.cumprod(np.concatenate(([k / n], np.maximum(rank - k, 0) / (rank - 1))))
    return np.ascontiguousarray(descending[::-1])

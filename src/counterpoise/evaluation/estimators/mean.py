"""mean@n: the share of right responses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts

__all__ = ["mean_at_n"]


def mean_at_n(n: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """Share of a problem's responses that are right, `c / n`; equal to pass@1 and pass^1.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.

    Returns:
        (P,) shares; NaN where n = 0.

    Raises:
        UsageError: an entry is not an integer, is negative, c > n, n is above `MAX_ROLLOUTS`, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    shares_P = np.full(n_P.shape, np.nan)
    np.divide(c_P, n_P, out=shares_P, where=n_P > 0)
    return shares_P

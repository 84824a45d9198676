"""Cover@tau: whether a problem is solved with at least the share tau of its responses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.hypergeometric import MARGIN
from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts

__all__ = ["cover_at_tau"]


def cover_at_tau(n: npt.ArrayLike, c: npt.ArrayLike, tau: npt.ArrayLike) -> FloatArray:
    """1 where at least the share tau of a problem's responses is right, else 0; its mean is the share of problems covered.

    `Cover@tau = mean over problems of 1[c/n >= tau]` (Dragoi et al. 2025, arXiv 2510.08325). The measured share c/n stands for the
    problem's unknown chance, so a threshold close to many problems' chance is noisy, and near tau = 0 the value depends on n: with
    tau <= 1/n one right response suffices. Compared as `c >= tau n - MARGIN`, so that 7 of 10 reach tau = 0.7.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        tau: (T,) thresholds in (0, 1]; at 0 every problem would be covered.

    Returns:
        (P, T) of 0 and 1; NaN where n = 0, because there is no share to compare.

    Raises:
        UsageError: a threshold outside (0, 1]; an entry is not an integer, is negative, c > n, n is above
            `MAX_ROLLOUTS`, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    tau_T = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    if tau_T.ndim != 1 or not ((tau_T > 0) & (tau_T <= 1)).all():
        raise UsageError(f"tau must be a list of thresholds in (0, 1], e.g. [0.5, 0.9]; got {tau_T.tolist()}")
    covered_PT = (c_P[:, None] >= n_P[:, None] * tau_T - MARGIN).astype(np.float64)
    covered_PT[n_P == 0] = np.nan
    return covered_PT

"""Area under the pass@k curve over log k: one number for a whole curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.subsets import FloatArray, check_k

__all__ = ["area_over_log_k"]


def area_over_log_k(n: npt.ArrayLike, c: npt.ArrayLike, k: npt.ArrayLike) -> FloatArray:
    """Mean height of the pass@k curve drawn over log k.

    The trapezoid rule over `log k` through pass@k at the given k, divided by `log(k_max / k_min)`, so that a problem always solved has
    area 1 and one never solved 0. Over powers of two each octave weighs the same. It depends on which k are given: compare areas only
    over the same list. This is our own definition, not that of a paper; the area over k itself would be ruled by the largest k alone.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        k: at least two different numbers of tries, in any order, e.g. `k_sweep(256)`.

    Returns:
        (P,) areas in [0, 1]; NaN where n is below the largest k, because the curve ends before it.

    Raises:
        UsageError: fewer than two different k; and as `pass_at_k`.
    """
    k_K = np.unique(check_k(k))
    if k_K.size < 2:
        raise UsageError(f"an area needs at least two different k; got {k_K.tolist()}")
    curve_PK = pass_at_k(n, c, k_K)
    widths = np.diff(np.log(k_K)) / np.log(k_K[-1] / k_K[0])
    area: FloatArray = (curve_PK[:, 1:] + curve_PK[:, :-1]) / 2 @ widths
    return area

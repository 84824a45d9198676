"""What training adds to sharpening: a policy against its base drawn so cold that both have the same pass@1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray

__all__ = ["beyond_sharpening"]


def beyond_sharpening(policy: FloatArray, base: Sequence[FloatArray]) -> FloatArray:
    """Difference of each problem's pass@k from that of the base at the temperature that gives the policy's pass@1.

    A lower temperature raises pass@1 of a base and lowers its pass@k; it costs no training. With `b` the base between two neighbouring
    temperatures l and h, in the order of their mean pass@1,

        b_pk = (1 - w) l_pk + w h_pk,   w so that mean_p b_p1 = mean_p x_p1,   s_k = mean_p (h_pk - l_pk) / mean_p (h_p1 - l_p1)
        d_pk = x_pk - b_pk - s_k (x_p1 - b_p1)

    The mean of the last term is 0. It is the response of w to the problems that were drawn (delta method), so that the spread of d over
    problems is that of its mean. b is a policy one can have: drawn at l or h by the toss of a coin. Source: our own.

    Args:
        policy: (P, K) pass@k of the policy, at k = 1 in the first column.
        base: (P, K) of the same problems, one for each temperature, at least two.

    Returns:
        (P, K) differences; NaN where the base has the policy's mean pass@1 at none of these temperatures, nor between them.

    Raises:
        UsageError: fewer than two temperatures, or shapes that differ.
    """
    shapes = {array.shape for array in (policy, *base)}
    if len(base) < 2 or len(shapes) != 1:
        raise UsageError(
            f"the base's curve needs at least two temperatures on the policy's problems; got {len(base)}, shapes {sorted(shapes)}"
        )
    ordered = sorted(base, key=lambda array: float(array[:, 0].mean()))
    reached = [float(array[:, 0].mean()) for array in ordered]
    wanted = float(policy[:, 0].mean())
    if not reached[0] <= wanted <= reached[-1]:
        return np.full_like(policy, np.nan)
    upper = max(1, int(np.searchsorted(reached, wanted)))
    low, high = ordered[upper - 1], ordered[upper]
    rise = reached[upper] - reached[upper - 1]
    weight = (wanted - reached[upper - 1]) / rise if rise else 0.0
    slope_K = (high - low).mean(axis=0) / rise if rise else np.zeros(policy.shape[1])
    sharpened = (1.0 - weight) * low + weight * high
    difference: FloatArray = policy - sharpened - slope_K * (policy[:, :1] - sharpened[:, :1])
    return difference

"""What unscored rollouts could have made of an estimate."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts, integers
from counterpoise.text import counted

__all__ = ["bounds"]


def bounds(
    estimator: Callable[..., FloatArray],
    n: npt.ArrayLike,
    c: npt.ArrayLike,
    unscored: npt.ArrayLike,
    *settings: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    """`estimator` had every unscored rollout been wrong, and had every one been right.

    With u unscored rollouts beside the n scored ones: `estimator(n + u, c)` and `estimator(n + u, c + u)`. These bound every way the
    u verdicts could have fallen, because each estimator from counts never falls when a wrong rollout becomes right. Without unscored
    rollouts both ends are `estimator(n, c)`.

    Args:
        estimator: one whose data are counts, e.g. `pass_hat_k`.
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        unscored: (P,) rollouts without a verdict.
        *settings: what the estimator takes after n and c, e.g. the list of k.

    Returns:
        The lower and the upper end, each of the estimator's shape, NaN where it is undefined for n + u.

    Raises:
        UsageError: the counts of unscored rollouts are not one count >= 0 for each problem; and as the estimator.
    """
    n_P, c_P = check_counts(n, c)
    u_P = integers("unscored", unscored)
    if u_P.shape != n_P.shape or (u_P < 0).any():
        raise UsageError(
            f"unscored must be one count >= 0 for each of {counted(n_P.size, 'problem')}; "
            f"got {counted(u_P.size, 'count')}, the least {u_P.min(initial=0)}"
        )
    return estimator(n_P + u_P, c_P, *settings), estimator(n_P + u_P, c_P + u_P, *settings)

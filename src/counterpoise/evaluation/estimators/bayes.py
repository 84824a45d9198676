"""Bayes@N: the posterior of a problem's chance of being solved, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray, check_counts
from counterpoise.evaluation.statistics.intervals import Interval
from counterpoise.lazy import special

__all__ = ["Posterior", "bayes_at_n", "bayes_over_problems"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Posterior of each problem's chance of a right response; every field is (P,), NaN where n = 0."""

    mean: FloatArray
    """Posterior mean."""
    deviation: FloatArray
    """Posterior standard deviation."""
    low: FloatArray
    """Lower end of the equal-tailed credible interval."""
    high: FloatArray
    """Upper end of the equal-tailed credible interval."""


def bayes_at_n(
    n: npt.ArrayLike, c: npt.ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0), confidence: float = 0.95
) -> Posterior:
    """Posterior Beta(a + c, b + n - c) of each problem's chance p of a right response, from a prior Beta(a, b).

    With A = a + c, B = b + n - c and T = A + B: `mean = A / T`, `variance = A B / (T^2 (T + 1))` (Hariri et al. 2025,
    arXiv 2510.04265, for two outcomes; their prior is uniform, a = b = 1). The interval leaves (1 - confidence)/2 on either side.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        prior: (a, b), both above 0; right and wrong responses seen beforehand add to them.
        confidence: posterior probability within the interval, in (0, 1).

    Returns:
        The posteriors; NaN where n = 0, where it would be the prior alone and no measurement.

    Raises:
        UsageError: a prior that is not positive, confidence outside (0, 1); an entry is not an integer, is negative, c > n, n is above
            `MAX_ROLLOUTS`, or the lengths differ.
    """
    n_P, c_P = check_counts(n, c)
    if not all(0 < part < np.inf for part in prior):
        raise UsageError(f"the prior Beta(a, b) needs a > 0 and b > 0, e.g. (1, 1); got {prior}")
    _check_confidence(confidence)
    right_P = np.where(n_P > 0, prior[0] + c_P, np.nan)
    wrong_P = np.where(n_P > 0, prior[1] + n_P - c_P, np.nan)
    total_P = right_P + wrong_P
    tail = (1 - confidence) / 2
    return Posterior(
        mean=right_P / total_P,
        deviation=np.sqrt(right_P * wrong_P / (total_P + 1)) / total_P,
        low=special.betaincinv(right_P, wrong_P, tail),
        high=special.betaincinv(right_P, wrong_P, 1 - tail),
    )


def bayes_over_problems(
    n: npt.ArrayLike, c: npt.ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0), confidence: float = 0.95
) -> Interval:
    """Posterior of the mean chance over these problems, with the normal approximation its authors use.

    `mu = mean of the means`, `sigma = sqrt(sum of the variances) / P`, interval `mu ± z sigma`, cut to [0, 1]. It speaks of these P
    problems and of how the finite n blurs them, not of the problems that might have been drawn instead: for that use
    `counterpoise.evaluation.statistics.intervals`, whose intervals are wider.

    Problems with n = 0 take no part.

    Raises:
        UsageError: as `bayes_at_n`.
    """
    posterior = bayes_at_n(n, c, prior=prior, confidence=confidence)
    defined = ~np.isnan(posterior.mean)
    problems = int(defined.sum())
    if not problems:
        return Interval(estimate=np.nan, low=np.nan, high=np.nan, problems=0)
    mean = float(posterior.mean[defined].mean())
    half = float(special.ndtri((1 + confidence) / 2) * np.sqrt((posterior.deviation[defined] ** 2).sum()) / problems)
    return Interval(estimate=mean, low=max(mean - half, 0.0), high=min(mean + half, 1.0), problems=problems)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, e.g. 0.95; got {confidence}")

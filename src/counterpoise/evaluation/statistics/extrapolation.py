"""pass@k beyond the rollouts that were drawn, from a beta-binomial model of the problems; a model, where `passk` is an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import check_counts, check_k
from counterpoise.evaluation.statistics.intervals import Interval
from counterpoise.lazy import special

__all__ = ["BetaBinomial", "extrapolated_pass_at_k"]

"""Success rates that are tried: 0.05 apart in logits, which is 5% of a small rate."""
_SIZES = np.exp(np.linspace(np.log(0.05), np.log(500.0), 49))
"""Concentrations a + b that are tried: from problems that are all easy or all hopeless to problems that are all alike."""
_AT_ONCE = 64
"""Resamples whose likelihoods are held in memory at a time (9 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaBinomial:
    """Each problem has a success rate of its own, drawn from Beta(a, b)."""

    a: float
    """> 0."""
    b: float
    """> 0."""

    def pass_at_k(self, k: int) -> float:
        """`E[1 - (1 - p)^k] = 1 - B(a, b + k) / B(a, b)`; at k = 1 it is a / (a + b).

        Raises:
            UsageError: k is below 1.
        """
        check_k(k)
        return float(-np.expm1(special.betaln(self.a, self.b + k) - special.betaln(self.a, self.b)))


def extrapolated_pass_at_k(
    n: npt.ArrayLike,
    c: npt.ArrayLike,
    ks: Sequence[int],
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 256,
) -> list[Interval]:
    """pass@k of the beta-binomial that fits the counts best, at each k, with its bootstrap interval over problems.

    The fit maximises `sum log B(c + a, n - c + b) - log B(a, b)` over a fixed grid of means and concentrations, so that it cannot fail to
    converge, and a resample costs one product of matrices. It is undefined (NaN) where no rollout was right or none was wrong: the
    likelihood then grows without end, and the data say nothing of larger k but bounds. A resample like that counts as its limit, 0 or 1.

    The interval covers the choice of problems and not the model. Real sets of problems have a part that is never solved, which a beta
    distribution fits badly far beyond n: read k up to some eight times n.

    Args:
        n: (P,) scored rollouts of each problem.
        c: (P,) correct ones among them.
        ks: numbers of tries, each at least 1.
        generator: source of the resamples.
        confidence: coverage aimed at, in (0, 1).
        resamples: number of resamples.

    Raises:
        UsageError: impossible counts, k below 1, no problems, confidence outside (0, 1).
    """
    n_P, c_P = check_counts(n, c)
    k_K = check_k(ks)
    if not len(n_P) or not 0 < confidence < 1:
        raise UsageError(f"an extrapolation needs problems and a confidence in (0, 1); got {len(n_P)} and {confidence}")
    undefined = Interval(estimate=np.nan, low=np.nan, high=np.nan, problems=len(n_P))
    if not 0 < c_P.sum() < n_P.sum():
        return [undefined for _ in k_K]
    pairs_UN, times_U = np.unique(np.stack([n_P, c_P]), axis=1, return_counts=True)
    means = special.expit(np.linspace(-9.0, 9.0, 361))
    a_M, b_M = (grid.ravel() for grid in (np.outer(means, _SIZES), np.outer(1 - means, _SIZES)))
    n_U, c_U = (row[:, None] for row in pairs_UN.astype(np.float64))
    fit_UM = special.betaln(c_U + a_M, n_U - c_U + b_M) - special.betaln(a_M, b_M)
    best = int(np.argmax(times_U @ fit_UM))
    model = BetaBinomial(a=float(a_M[best]), b=float(b_M[best]))
    weights_BU = generator.multinomial(len(n_P), times_U / len(n_P), size=resamples).astype(np.float64)
    chosen_B = np.concatenate(
        [np.argmax(weights_BU[i : i + _AT_ONCE] @ fit_UM, axis=1) for i in range(0, resamples, _AT_ONCE)]
    )
    right_B, all_B = weights_BU @ pairs_UN[1], weights_BU @ pairs_UN[0]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    intervals = []
    for k in k_K.tolist():
        resampled_B = -np.expm1(
            special.betaln(a_M[chosen_B], b_M[chosen_B] + k) - special.betaln(a_M[chosen_B], b_M[chosen_B])
        )
        resampled_B = np.where(right_B == 0, 0.0, np.where(right_B == all_B, 1.0, resampled_B))
        low, high = np.quantile(resampled_B, tails) if len(n_P) > 1 else (np.nan, np.nan)
        intervals.append(
            Interval(estimate=model.pass_at_k(k), low=float(low), high=float(high), problems=len(n_P)),
        )
    return intervals

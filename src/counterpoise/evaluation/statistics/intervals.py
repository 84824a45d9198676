"""Confidence intervals with problems as the unit: bootstrap, Student's t, exact, and paired differences between two runs.

The rollouts of one problem are not independent evidence about other problems, so nothing here resamples rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import DataError, UsageError
from counterpoise.lazy import special

__all__ = [
    "Interval",
    "bootstrap_intervals",
    "exact_interval",
    "paired_differences",
    "percentile_ends",
    "resampled_means",
]

_DRAWS_AT_ONCE = 1 << 21
"""Problem draws held in memory at a time (16 MiB of indices)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over problems with its confidence interval."""

    estimate: float
    """Mean over the problems where the value is defined; NaN when there is none."""
    low: float
    """Lower end; NaN with fewer than two defined problems."""
    high: float
    """Upper end; NaN with fewer than two defined problems."""
    problems: int
    """Problems where the value is defined."""


def bootstrap_intervals(
    values: npt.ArrayLike, *, generator: np.random.Generator, confidence: float = 0.95, resamples: int = 10_000
) -> list[Interval]:
    """Percentile bootstrap of the mean over problems, one interval for each column.

    Each resample draws P problems with replacement and is kept as its (P,) multinomial counts w; its mean is `w·v / w·d` with d = 1
    where v is defined. The interval runs from the a to the 1 - a quantile (linear interpolation) of the resampled means, with
    `a = Phi(-t sqrt(P / (P - 1)))`, t Student's quantile (P - 1 degrees of freedom) at (1 + confidence)/2: the expanded percentile
    interval (Hesterberg 2015), since resamples spread too little by sqrt((P - 1)/P) and know no t. At 95% a is 0.6% for 8 problems, 1.3%
    for 16, 1.8% for 30, 2.4% for 200. One resample serves all columns. docs/evaluation.md has the coverage measured.

    Args:
        values: (P,) or (P, K) one value for each problem; NaN is undefined and takes no part.
        generator: source of the resamples.
        confidence: coverage aimed at, in (0, 1).
        resamples: number of resamples; time is proportional to it, memory does not depend on it beyond (resamples, K) floats.

    Raises:
        UsageError: no problems, confidence outside (0, 1), fewer than 2 resamples.
    """
    values_PK = _columns(values, confidence)
    means_BK = resampled_means(values_PK, generator=generator, resamples=resamples)
    intervals = []
    for value, means in zip(values_PK.T, means_BK.T, strict=True):
        defined = value[~np.isnan(value)]
        low, high = percentile_ends(means, defined.size, confidence)
        intervals.append(Interval(estimate=_mean(defined), low=low, high=high, problems=defined.size))
    return intervals


def percentile_ends(means: npt.NDArray[np.float64], problems: int, confidence: float) -> tuple[float, float]:
    """Ends of the expanded percentile interval (`bootstrap_intervals`) from (B,) resampled means; NaN with fewer than two problems."""
    if problems < 2:
        return np.nan, np.nan
    tail = float(
        special.ndtr(-special.stdtrit(problems - 1, (1 + confidence) / 2) * np.sqrt(problems / (problems - 1)))
    )
    low, high = np.quantile(means[~np.isnan(means)], [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(
    values_PK: npt.NDArray[np.float64], *, generator: np.random.Generator, resamples: int
) -> npt.NDArray[np.float64]:
    """Means over problems of bootstrap resamples of the problems; one resample serves all columns.

    Args:
        values_PK: one value for each problem and column; NaN is undefined and takes no part.
        generator: source of the resamples.
        resamples: B, their number.

    Returns:
        (B, K) means; NaN where a resample holds no problem in which the column is defined.

    Raises:
        UsageError: fewer than 2 resamples.
    """
    if resamples < 2:
        raise UsageError(f"resamples must be at least 2; got {resamples}")
    problems, columns = values_PK.shape
    defined_PK = ~np.isnan(values_PK)
    filled_PK = np.where(defined_PK, values_PK, 0.0)
    means_BK = np.full((resamples, columns), np.nan)
    step = max(1, _DRAWS_AT_ONCE // problems)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = generator.integers(0, problems, size=(size, problems)) + np.arange(size)[:, None] * problems
        counts = np.bincount(picks.ravel(), minlength=size * problems).reshape(size, problems).astype(np.float64)
        weights = counts @ defined_PK.astype(np.float64)
        np.divide(counts @ filled_PK, weights, out=means_BK[start : start + size], where=weights > 0)
    return means_BK


def exact_interval(successes: int, problems: int, *, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a share of problems, for what each problem has or has not.

    With t = (1 - confidence)/2 the ends are the t quantile of Beta(s, n - s + 1), or 0 at s = 0, and the 1 - t quantile of
    Beta(s + 1, n - s), or 1 at s = n. Where no problem or every problem has it a bootstrap has no width, and this one says what so few
    problems can rule out: 0 of 64 is [0, 0.056].

    Raises:
        UsageError: no problems, more successes than problems, or confidence outside (0, 1).
    """
    if problems < 1 or not 0 <= successes <= problems or not 0 < confidence < 1:
        raise UsageError(
            f"a share needs 0 <= successes <= problems, problems >= 1, 0 < confidence < 1; got {successes} of {problems}, {confidence}"
        )
    tail, failures = (1 - confidence) / 2, problems - successes
    return Interval(
        estimate=successes / problems,
        low=float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0,
        high=float(special.betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0,
        problems=problems,
    )


def paired_differences(
    base_ids: Sequence[str],
    base_values: npt.ArrayLike,
    after_ids: Sequence[str],
    after_values: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> list[Interval]:
    """Bootstrap of `after - base` on the same problems, one interval for each column.

    Pairing removes the spread between problems, which is most of the variance of either mean alone. A problem undefined in one run is
    undefined in the difference. Order does not matter: rows are matched by id.

    Args:
        base_ids: (P,) problem ids of the rows of `base_values`.
        base_values: (P,) or (P, K).
        after_ids: (P,) the same ids in any order.
        after_values: (P,) or (P, K).
        generator: source of the resamples.
        confidence: coverage aimed at, in (0, 1).
        resamples: number of resamples.

    Raises:
        DataError: the two runs do not hold the same problems, or one lists a problem twice.
        UsageError: as `bootstrap_intervals`.
    """
    base_PK, after_PK = _columns(base_values, confidence), _columns(after_values, confidence)
    rows = {problem: row for row, problem in enumerate(after_ids)}
    for name, ids, values_PK in (("base", base_ids, base_PK), ("after", after_ids, after_PK)):
        if len(set(ids)) != len(ids) or len(ids) != len(values_PK):
            raise DataError(
                f"the {name} run lists {len(ids)} problem ids, {len(set(ids))} of them distinct, for {len(values_PK)} rows; "
                "give each problem once"
            )
    common = len(rows.keys() & set(base_ids))
    if common != len(base_ids) or common != len(after_ids):
        raise DataError(
            f"the two runs did not answer the same problems: {common} in common, {len(base_ids) - common} only in the base, "
            f"{len(after_ids) - common} only in the other; evaluate both on one task and split (same limit, same files) to compare them"
        )
    differences = after_PK[[rows[problem] for problem in base_ids]] - base_PK
    return bootstrap_intervals(differences, generator=generator, confidence=confidence, resamples=resamples)


def _columns(values: npt.ArrayLike, confidence: float) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not len(array):
        raise UsageError(
            f"an interval over problems needs values of shape (P,) or (P, K) with P >= 1; got shape {np.shape(values)}"
        )
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, e.g. 0.95; got {confidence}")
    return array


def _mean(value: npt.NDArray[np.float64]) -> float:
    return float(value.mean()) if value.size else float("nan")

"""Statements about a whole pass@k curve: simultaneous bands, where two curves cross, and what so many problems can tell apart.

An interval at each k holds its value in 95 of 100 repetitions; the intervals of a whole sweep hold all their values less often. Whoever
looks for the k where two runs differ needs the band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.intervals import percentile_ends, resampled_means
from counterpoise.lazy import special

__all__ = [
    "BandPoint",
    "Crossing",
    "Detectable",
    "crossing_k",
    "minimum_detectable",
    "simultaneous_band",
    "unpaired_band",
]

_NOISE = 1e-12
"""Differences of means below this are rounding and count as zero."""

_IN_RESAMPLES, _IN_ERROR = 1.0, 1.5
"""Problems made up at each end of what was seen: in the spreads that resamples are divided by, and in the standard error."""

_SHRINK = 2.0
"""Problems that the sample's spread counts for beside a resample's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPoint:
    """A mean over problems at one k with its own interval and its part of the band."""

    estimate: float
    """Mean, or difference of means; NaN where no problem is defined."""
    low: float
    """Lower end of the percentile interval of this k alone; NaN with fewer than two problems."""
    high: float
    """Upper end."""
    band_low: float
    """Lower end of the band that holds all k at once; NaN with fewer than two problems."""
    band_high: float
    """Upper end."""
    critical: float
    """Half width of the band in standard errors of this k; infinite where this k has no spread and the band has; NaN with fewer than two
    problems."""
    problems: int
    """Problems behind the estimate; of two sets of problems, those of the smaller one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where one curve drops under another for good, as far as the sweep goes."""

    state: Literal["crosses", "under", "above"]
    """Whether the first curve drops under the second, lies under it at every k, or does not lie under it at the last k that parts them."""
    k: float
    """The crossing; NaN unless `state` is `crosses`."""
    low: float
    """Lower end of the interval; the first k stands for `there or earlier`."""
    high: float
    """Upper end; infinity stands for `beyond the last k, or never`."""
    crossing_share: float
    """Share of the resamples in which there is a crossing."""
    under_share: float
    """Share of the resamples in which the first curve lies under the second at every k."""
    first_k: int
    """First k of the sweep."""
    last_k: int
    """Last k of the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """What a number of problems can show, at one k."""

    minimum: float
    """Smallest true difference found with the wanted power; NaN with fewer than two problems, or where a band has width and these none."""
    needed: float
    """Problems that would find a difference as large as the one seen, rounded up; NaN where that is zero."""


def simultaneous_band(
    values: npt.ArrayLike, *, generator: np.random.Generator, confidence: float = 0.95, resamples: int = 10_000
) -> list[BandPoint]:
    """Bootstrap band that holds the means of all columns at once (max-t; Montiel Olea and Plagborg-Møller 2019), made for few problems.

    With m_k the mean and s_k the standard deviation (ddof 0) over the P problems where column k is defined, d the largest deviation
    |x_pk - m_k| of any problem in any column, and * what a resample of the problems has in their place,

        v_k(w) = (P s_k^2 + 2 w d^2) / (P + 2 w)                the variance as if w more problems lay at each of m_k ± d
        T* = max_k |m*_k - m_k| sqrt(P) / sqrt((P v*_k(1) + 2 v_k(1)) / (P + 2)),     q its `confidence` quantile
        m_k ± max(t(Phi(q)), t((1 + confidence)/2)) sqrt(v_k(1.5) / (P - 1)),         t Student's quantile, P - 1 degrees of freedom

    Dividing by the resample's own spread, most of the way, is the studentised bootstrap, which follows a skewed sample. The problems made
    up stand for the rare one that a small sample lacks, at a k where all of it is solved, say. No k has less than its own t interval. The
    weights 1, 1.5 and 2 were chosen by simulation (`benchmarks/coverage.py`, figures in docs/evaluation.md). If no column has any spread
    the widths are zero. Ends may leave [0, 1].

    Args:
        values: (P,) or (P, K) values of each problem, pass@k or its paired differences; NaN is undefined and takes no part.
        generator: source of the resamples.
        confidence: chance aimed at that the band holds all K means, in (0, 1).
        resamples: number of resamples.

    Raises:
        UsageError: no problems, confidence outside (0, 1), fewer than 2 resamples.
    """
    values_PK = _columns(values)
    _check_share("confidence", confidence)
    side = _side(values_PK, generator, resamples)
    return _band(side.moved_BK, side.mean_K, [side], confidence)


def unpaired_band(
    base_values: npt.ArrayLike,
    after_values: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> list[BandPoint]:
    """Band of `mean(after) - mean(base)` for runs on different problems; each side is resampled on its own.

    As `simultaneous_band` with the sum of both sides' variances of the mean (each with its own d) as the squared standard error and the
    smaller P for the degrees of freedom. It is wider than a paired band by the spread between problems.

    Args:
        base_values: (P,) or (P, K).
        after_values: (Q,) or (Q, K).
        generator: source of the resamples.
        confidence: chance aimed at that the band holds all K differences, in (0, 1).
        resamples: number of resamples.

    Raises:
        UsageError: no problems on a side, different numbers of columns, confidence outside (0, 1), fewer than 2 resamples.
    """
    base_PK, after_QK = _columns(base_values), _columns(after_values)
    _check_share("confidence", confidence)
    if base_PK.shape[1] != after_QK.shape[1]:
        raise UsageError(f"both sides need the same k; got {base_PK.shape[1]} and {after_QK.shape[1]} columns")
    base, after = _side(base_PK, generator, resamples), _side(after_QK, generator, resamples)
    return _band(after.moved_BK - base.moved_BK, after.mean_K - base.mean_K, [base, after], confidence)


def crossing_k(
    ks: Sequence[int],
    differences: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> Crossing:
    """The smallest k from which curve A lies under curve B up to the end of the sweep, or until the two meet for good (at the ceiling).

    With d(k) the mean difference A - B, the crossing lies between the last k with d >= 0 and the next one, where the line through both
    points over log k is zero. The interval consists of percentiles (inverted distribution function) of the same number over resamples of
    the problems, in which a resample with A under B throughout counts as the first k, and one with A not under B at the last k as infinity.

    Args:
        ks: (K,) numbers of tries, ascending.
        differences: (P, K) differences A - B of each problem; NaN is undefined and takes no part.
        generator: source of the resamples.
        confidence: coverage aimed at, in (0, 1).
        resamples: number of resamples.

    Raises:
        UsageError: no problems, k not ascending or not one for each column, a k at which no problem is defined, confidence outside
            (0, 1), fewer than 2 resamples.
    """
    values_PK = _columns(differences)
    _check_share("confidence", confidence)
    if len(ks) != values_PK.shape[1] or not len(ks) or any(a >= b for a, b in pairwise(ks)):
        raise UsageError(f"k must ascend and be one for each of the {values_PK.shape[1]} columns; got {list(ks)}")
    count_K, mean_K, _ = _moments(values_PK)
    if not count_K.all():
        raise UsageError(f"no problem is defined at k={ks[int(np.argmin(count_K))]}; leave that k away")
    means_BK = resampled_means(values_PK, generator=generator, resamples=resamples)
    # A resample may miss the few problems that reach a large k: it says nothing there, so what was seen stands in.
    found_B = _crossings(np.asarray(ks, dtype=np.float64), np.where(np.isnan(means_BK), mean_K, means_BK))
    [found] = _crossings(np.asarray(ks, dtype=np.float64), mean_K[None, :])
    low, high = np.quantile(found_B, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    under_B = np.isneginf(found_B)
    return Crossing(
        state="crosses" if np.isfinite(found) else "under" if found < 0 else "above",
        k=float(found) if np.isfinite(found) else math.nan,
        low=max(float(low), float(ks[0])),
        high=max(float(high), float(ks[0])),
        crossing_share=float(np.isfinite(found_B).mean()),
        under_share=float(under_B.mean()),
        first_k=int(ks[0]),
        last_k=int(ks[-1]),
    )


def minimum_detectable(
    differences: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    critical: npt.ArrayLike | None = None,
) -> list[Detectable]:
    """Smallest difference that these problems would show, and how many would show the one seen; one for each column.

    `(z + z_power) s / sqrt(P)` with s the deviation (ddof 1) of the P per-problem differences and z the two-sided normal quantile of
    `confidence` (normal approximation); the number needed is `((z + z_power) s / |mean|)²`, at least 2.

    Args:
        differences: (P,) or (P, K) differences of each problem; NaN is undefined and takes no part.
        confidence: of the test, in (0, 1).
        power: chance of finding the difference, in (0, 1).
        critical: (K,) takes the place of z, e.g. a band's `critical`, so that a difference inside the band needs more problems. Infinite
            (no spread was seen) gives NaN.

    Raises:
        UsageError: no problems, confidence or power outside (0, 1).
    """
    values_PK = _columns(differences)
    _check_share("confidence", confidence)
    _check_share("power", power)
    count_K, mean_K, variance_K = _moments(values_PK)
    deviation_K = np.sqrt(_unbiased(count_K, variance_K))
    z_K = np.broadcast_to(
        special.ndtri((1 + confidence) / 2) if critical is None else np.asarray(critical), mean_K.shape
    )
    with np.errstate(invalid="ignore"):
        reach_K = (z_K + special.ndtri(power)) * deviation_K
    found = []
    for reach, mean, count in zip(reach_K.tolist(), mean_K.tolist(), count_K.tolist(), strict=True):
        seen = not math.isnan(reach) and abs(mean) > _NOISE
        needed = max(2.0, math.ceil((reach / mean) ** 2 - _NOISE)) if seen else math.nan
        found.append(Detectable(minimum=reach / math.sqrt(count) if count else math.nan, needed=needed))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A sample of problems and its resamples."""

    count_K: npt.NDArray[np.int64]
    """Problems that are defined in each column."""
    mean_K: FloatArray
    """Their mean."""
    variance_K: FloatArray
    """Their variance (ddof 0)."""
    moved_BK: FloatArray
    """Means of the resamples, less the sample's."""
    spread_BK: FloatArray
    """Their variances (ddof 0)."""
    reach: float
    """Largest deviation of a problem from the mean of its column, over all columns."""

    def widened(self, variance: FloatArray, weight: float) -> FloatArray:
        """A variance with `weight` problems more at each end of the reach."""
        return (self.count_K * variance + 2 * weight * self.reach**2) / (self.count_K + 2 * weight)


def _side(values_PK: FloatArray, generator: np.random.Generator, resamples: int) -> _Side:
    count_K, mean_K, variance_K = _moments(values_PK)
    centred_PK = values_PK - mean_K
    # Both moments of the same resamples; centred, so that the difference of squares does not cancel.
    means = resampled_means(np.hstack([centred_PK, centred_PK**2]), generator=generator, resamples=resamples)
    moved_BK, squares_BK = np.hsplit(means, 2)
    deviations = np.abs(centred_PK[~np.isnan(centred_PK)])
    reach = float(deviations.max()) if deviations.size else 0.0
    return _Side(
        count_K=count_K,
        mean_K=mean_K,
        variance_K=variance_K,
        moved_BK=moved_BK,
        spread_BK=np.maximum(squares_BK - moved_BK**2, 0.0),
        reach=reach if reach > _NOISE else 0.0,
    )


def _band(moved_BK: FloatArray, mean_K: FloatArray, sides: Sequence[_Side], confidence: float) -> list[BandPoint]:
    problems_K = np.minimum.reduce([side.count_K for side in sides])
    none_K = np.zeros(mean_K.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        own_K = np.sqrt(sum((_unbiased(side.count_K, side.variance_K) / side.count_K for side in sides), start=none_K))
        error_K = np.sqrt(
            sum((side.widened(side.variance_K, _IN_ERROR) / (side.count_K - 1) for side in sides), start=none_K)
        )
        scale_BK = np.sqrt(sum((_studentised(side) for side in sides), start=np.zeros_like(moved_BK)))
        deviations_BK = np.abs(moved_BK) / scale_BK
    live_K = (problems_K > 1) & (error_K > _NOISE)
    q = 0.0
    if live_K.any():
        q = float(np.quantile(np.nan_to_num(deviations_BK[:, live_K], nan=0.0).max(axis=1), confidence))
    points = []
    for column, (mean, problems) in enumerate(zip(mean_K.tolist(), problems_K.tolist(), strict=True)):
        low = high = half = critical = math.nan
        if problems > 1:
            low, high = percentile_ends(mean + moved_BK[:, column], problems, confidence)
            quantile = max(float(special.ndtr(q)), (1 + confidence) / 2)
            half = float(special.stdtrit(problems - 1, quantile)) * float(error_K[column]) if live_K[column] else 0.0
            own = float(own_K[column])
            critical = half / own if own > _NOISE else math.inf if half else 0.0
        points.append(
            BandPoint(
                estimate=mean,
                low=low,
                high=high,
                band_low=mean - half,
                band_high=mean + half,
                critical=critical,
                problems=problems,
            )
        )
    return points


def _studentised(side: _Side) -> FloatArray:
    """(B, K) squared standard errors that the deviations of the resamples are divided by."""
    fixed_K = side.widened(side.variance_K, _IN_RESAMPLES)
    own_BK = side.widened(side.spread_BK, _IN_RESAMPLES)
    shrunk: FloatArray = (side.count_K * own_BK + _SHRINK * fixed_K) / (side.count_K + _SHRINK) / side.count_K
    return shrunk


def _crossings(k_K: FloatArray, means_BK: FloatArray) -> FloatArray:
    """Crossing of each row; minus infinity where it is negative throughout, infinity where its end is not negative.

    Zeros at the end take the sign before them: curves that meet where every problem is solved do not undo where one lay before.
    """
    means_BK = np.where(np.abs(means_BK) < _NOISE, 0.0, means_BK)
    columns = k_K.size
    last_apart_B = columns - 1 - np.argmax(means_BK[:, ::-1] != 0, axis=1)
    ends_under_B = means_BK[np.arange(len(means_BK)), last_apart_B] < 0
    met_BK = np.arange(columns) > last_apart_B[:, None]
    not_under_BK = (means_BK >= 0) & ~(met_BK & ends_under_B[:, None])
    last_B = columns - 1 - np.argmax(not_under_BK[:, ::-1], axis=1)
    found_B = np.full(len(means_BK), -np.inf)
    found_B[not_under_BK[:, -1]] = np.inf
    rows = np.flatnonzero(not_under_BK.any(axis=1) & ~not_under_BK[:, -1])
    left = last_B[rows]
    above, below = means_BK[rows, left], means_BK[rows, left + 1]
    log_k = np.log(k_K)
    found_B[rows] = np.exp(log_k[left] + above / (above - below) * (log_k[left + 1] - log_k[left]))
    return found_B


def _moments(values_PK: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Defined problems, their mean and ddof-0 variance in each column; NaN where there is none."""
    defined_PK = ~np.isnan(values_PK)
    count_K = defined_PK.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean_K = np.where(defined_PK, values_PK, 0.0).sum(axis=0) / count_K
        variance_K = (np.where(defined_PK, values_PK - mean_K, 0.0) ** 2).sum(axis=0) / count_K
    return count_K, mean_K, variance_K


def _unbiased(count_K: npt.NDArray[np.int64], variance_K: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected: FloatArray = np.where(count_K > 1, variance_K * count_K / (count_K - 1), np.nan)
    return corrected


def _columns(values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not len(array):
        raise UsageError(f"values must have shape (P,) or (P, K) with P >= 1; got shape {np.shape(values)}")
    return array


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(f"{name} must lie between 0 and 1, e.g. 0.95; got {value}")

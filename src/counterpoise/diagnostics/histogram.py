"""Histograms that add up over micro-batches and processes, so that a quantile of all tokens needs no mean of quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError

__all__ = ["BINS", "REACH", "SCALE", "WIDTH", "Histogram", "add_histograms", "quantile_columns"]

SCALE = 0.01
"""Where bins change from equally wide to equally wide in proportion."""
WIDTH = 0.02
"""Width of a bin in `asinh(x / SCALE)`: 2% of |x|, and 0.0002 around zero."""
REACH = 512
"""Bins on either side of zero: values up to SCALE sinh(WIDTH REACH) = 140 nats."""
BINS = 2 * REACH + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie in each bin of one fixed grid, `round(asinh(x / SCALE) / WIDTH)`, and the extremes exactly.

    A quantile is the centre of its bin, kept between the extremes: off by 1% of |x| at most, or by 0.0001 around zero. Values that
    reach beyond the grid count in its last bin.
    """

    counts: npt.NDArray[np.int64]
    """(BINS,) values in each bin."""
    low: float = math.inf
    """Smallest value; infinity when there is none."""
    high: float = -math.inf
    """Largest value."""
    logs: bool = False
    """Whether the values are logarithms of the numbers that columns are of."""

    @classmethod
    def of(cls, values: npt.ArrayLike, *, logs: bool = False) -> Histogram:
        """Histogram of some values.

        Raises:
            UsageError: a value is NaN.
        """
        array = np.asarray(values, dtype=np.float64).ravel()
        if not len(array):
            return cls(counts=np.zeros(BINS, dtype=np.int64), logs=logs)
        if np.isnan(array).any():
            raise UsageError("a histogram got NaN, which lies in no bin; leave undefined values out")
        bins = np.clip(np.rint(np.arcsinh(array / SCALE) / WIDTH), -REACH, REACH).astype(np.int64) + REACH
        counts = np.bincount(bins, minlength=BINS)
        return cls(counts=counts, low=float(array.min()), high=float(array.max()), logs=logs)

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    def quantile(self, share: float) -> float:
        """Smallest value that at least `share` of the values do not exceed (the inverse of the distribution function); NaN without any.

        Raises:
            UsageError: share is outside (0, 1].
        """
        if not 0.0 < share <= 1.0:
            raise UsageError(f"a quantile needs a share in (0, 1]; got {share}")
        if not self.count:
            return math.nan
        # The product is rounded, so that 0.99 of 100 is the 99th value and not the 100th.
        rank = max(1, math.ceil(round(share * self.count, 9)))
        position = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(min(max(SCALE * math.sinh(WIDTH * (position - REACH)), self.low), self.high))

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(
            counts=self.counts + other.counts,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            logs=self.logs,
        )


def add_histograms(totals: dict[str, Histogram], more: Mapping[str, Histogram]) -> None:
    """Add histograms to those of the same name."""
    for name, histogram in more.items():
        totals[name] = totals[name] + histogram if name in totals else histogram


def quantile_columns(histograms: Mapping[str, Histogram]) -> dict[str, float]:
    """Columns of a step: 50%, 90% and 99% of each histogram, `NAME_p50` …; of logarithms 1%, 50%, 99% and the largest, as numbers."""
    columns: dict[str, float] = {}
    for name, histogram in histograms.items():
        if histogram.logs:
            columns |= {f"{name}_p{share:02d}": math.exp(histogram.quantile(share / 100)) for share in (1, 50, 99)}
            columns[f"{name}_max"] = math.exp(histogram.high) if histogram.count else math.nan
        else:
            columns |= {f"{name}_p{share}": histogram.quantile(share / 100) for share in (50, 90, 99)}
    return columns

"""pass@k of a set of problems at each k, with its interval and its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.passk import pass_at_k, pass_at_k_bounds
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.intervals import bootstrap_intervals
from counterpoise.text import counted

__all__ = ["PassAtK", "defined_mean", "pass_at_k_curve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassAtK:
    """pass@k of a set of problems at one k; every share is in [0, 1]."""

    k: int
    """Tries."""
    estimate: float
    """Mean of the unbiased estimate over the problems with n >= k; NaN when there is none."""
    low: float
    """Lower end of the bootstrap interval over problems; NaN with fewer than two such problems."""
    high: float
    """Upper end."""
    problems: int
    """Problems with n >= k."""
    bound_low: float
    """Mean over the problems with n + unscored >= k had every unscored rollout been wrong."""
    bound_high: float
    """The same had every one been right."""
    reason: str | None = None
    """Why the estimate is undefined or leaves problems out; None when it covers every problem."""


def pass_at_k_curve(
    counts: Sequence[ProblemCounts],
    ks: Sequence[int],
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> tuple[PassAtK, ...]:
    """pass@k over problems at each k, with its bootstrap interval and its bounds for unscored rollouts.

    A problem with n < k has no pass@k and takes no part at that k; `problems` and `reason` say so.

    Raises:
        DataError: no problems.
        UsageError: impossible counts, k < 1, confidence outside (0, 1).
    """
    if not counts:
        raise DataError("no problems to take pass@k over; the split, the file or the filter leaves nothing")
    n, c, unscored = ([getattr(p, name) for p in counts] for name in ("n", "c", "unscored"))
    if not ks:
        return ()
    intervals = bootstrap_intervals(
        pass_at_k(n, c, ks), generator=generator, confidence=confidence, resamples=resamples
    )
    bounds = pass_at_k_bounds(n, c, unscored, ks)
    curve = []
    for k, interval, low_P, high_P in zip(ks, intervals, bounds[0].T, bounds[1].T, strict=True):
        left_out, reason = len(counts) - interval.problems, None
        if not interval.problems:
            reason = f"pass@{k} needs {counted(k, 'scored rollout')} of a problem; the most any has is {max(n)}"
        elif left_out:
            reason = (
                f"{left_out} of {counted(len(counts), 'problem')} left out: fewer than {counted(k, 'scored rollout')}"
            )
        curve.append(
            PassAtK(
                k=k,
                estimate=interval.estimate,
                low=interval.low,
                high=interval.high,
                problems=interval.problems,
                bound_low=defined_mean(low_P),
                bound_high=defined_mean(high_P),
                reason=reason,
            )
        )
    return tuple(curve)


def defined_mean(values: npt.NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN when there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")

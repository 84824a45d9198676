"""Four kinds of tokens: of right or wrong rollouts, where the policy was sure or not, and what a step did to each. Runs without torch.

Shares and means are ratios of sums over tokens (a long response counts for more than a short one). The bootstrap draws problems, and a
problem's tokens stay together: tokens of one problem are not independent evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.diagnostics.explanation import Measured, Quadrant
from counterpoise.errors import UsageError

__all__ = ["TokenTable", "quadrants"]


Floats = npt.NDArray[np.float64]

_DRAWS_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """K tokens of scored rollouts, before and after one step."""

    problem: npt.NDArray[np.int64]
    """(K,) which prompt; equal prompts have equal numbers, so that the same problem loaded twice is one."""
    right: npt.NDArray[np.bool_]
    """(K,) verdict of the rollout."""
    credit: Floats
    """(K,) signed credit."""
    log_prob: Floats
    """(K,) log pi_y before."""
    entropy: Floats
    """(K,) H before."""
    log_prob_change: Floats
    """(K,) realised."""
    entropy_change: Floats
    """(K,) realised."""
    predicted_log_prob_change: Floats
    """(K,) eta times the first-order slope; NaN without a fit."""
    predicted_entropy_change: Floats
    """(K,) the same of the entropy."""


def quadrants(
    table: TokenTable,
    *,
    confident: npt.NDArray[np.bool_],
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> tuple[Quadrant, ...]:
    """(right, sure), (right, unsure), (wrong, sure), (wrong, unsure), each with its values and their intervals.

    A predicted change of probability is `pi_y` times that of `log pi_y`, first order as well.

    Args:
        table: tokens.
        confident: (K,) which tokens the policy was sure of, e.g. `pi_y >= 0.5` or an entropy below a quantile.
        generator: source of the resamples.
        confidence: coverage aimed at, percentile bootstrap over problems.
        resamples: number of resamples.

    Raises:
        UsageError: no tokens, or `confident` does not fit them.
    """
    if not len(table.problem) or confident.shape != table.problem.shape:
        raise UsageError(
            f"quadrants of {len(table.problem)} tokens with {confident.shape} flags; give one flag a token"
        )
    problems, unit = np.unique(table.problem, return_inverse=True)
    columns = _columns(table)
    masks = [
        (right, sure, (table.right == right) & (confident == sure)) for right in (True, False) for sure in (True, False)
    ]
    ones, credit = np.ones(len(unit)), np.abs(table.credit)
    pairs: list[tuple[Floats, Floats]] = []
    for _, _, mask in masks:
        pairs += [(ones * mask, ones), (credit * mask, credit)]
        pairs += [(np.where(mask, column, 0.0), ones * mask) for column in columns.values()]
    above_PC, below_PC = (_by_problem(sides, unit, len(problems)) for sides in zip(*pairs, strict=True))
    estimates = _ratios(above_PC, below_PC, generator=generator, confidence=confidence, resamples=resamples)
    names = ("token_share", "credit_share", *columns)
    return tuple(
        Quadrant(
            right=right,
            confident=sure,
            tokens=int(mask.sum()),
            values=dict(zip(names, estimates[index * len(names) : (index + 1) * len(names)], strict=True)),
        )
        for index, (right, sure, mask) in enumerate(masks)
    )


def _columns(table: TokenTable) -> dict[str, Floats]:
    before = np.exp(table.log_prob)
    return {
        "probability": before,
        "surprise": -table.log_prob,
        "entropy": table.entropy,
        "log_prob_change": table.log_prob_change,
        "probability_change": before * np.expm1(table.log_prob_change),
        "entropy_change": table.entropy_change,
        "predicted_log_prob_change": table.predicted_log_prob_change,
        "predicted_probability_change": before * table.predicted_log_prob_change,
        "predicted_entropy_change": table.predicted_entropy_change,
    }


def _by_problem(columns: Sequence[Floats], unit: npt.NDArray[np.intp], problems: int) -> Floats:
    """(P, C) sums over the tokens of each problem."""
    return np.stack([np.bincount(unit, column, problems).astype(np.float64) for column in columns], axis=1)


def _ratios(
    above_PC: Floats, below_PC: Floats, *, generator: np.random.Generator, confidence: float, resamples: int
) -> list[Measured]:
    """Ratio of sums over problems of each column, and its percentile interval; NaN where the denominator is 0."""
    problems, columns = above_PC.shape
    drawn_BC = np.full((resamples, columns), np.nan)
    step = max(1, _DRAWS_AT_ONCE // problems)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        counts = generator.multinomial(problems, np.full(problems, 1 / problems), size=size).astype(np.float64)
        below = counts @ below_PC
        np.divide(counts @ above_PC, below, out=drawn_BC[start : start + size], where=below > 0)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    estimates = []
    for above, below, drawn in zip(above_PC.sum(axis=0), below_PC.sum(axis=0), drawn_BC.T, strict=True):
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.quantile(drawn, tails) if problems > 1 and drawn.size else (np.nan, np.nan)
        value = above / below if below > 0 else np.nan
        estimates.append(Measured(value=float(value), low=float(low), high=float(high)))
    return estimates

"""A cell of a grid as it was measured after a step: pass@k, and how it differs from its base and from that drawn colder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.arms import BASE, SHARPENED, Arm
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.seeds import SeededInterval, seeded_intervals
from counterpoise.evaluation.statistics.sharpening import beyond_sharpening

__all__ = ["CellPoint", "measured_cell", "near", "rollouts_each", "same_curve"]

_NEAR = 1e-8
"""Numbers of a table have ten digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPoint:
    """One run after one step, on its bed and at its values of the axes."""

    bed: str
    """Name of its bed; empty where there is one."""
    axes: Mapping[str, Any]
    """Value on each axis."""
    arm: str
    """Name of its arm, or `base`, or `base at temperature 0.4`."""
    seed: int | None
    """Seed of the run; None for a base, which has no part in training."""
    step: int
    """Steps of training behind it."""
    trained: Mapping[str, float]
    """What the training came to: `rollouts_per_problem`, `epochs`, `updates`, `tokens`, `success`; what is not known is not in it."""
    ks: tuple[int, ...]
    """Numbers of tries, the powers of two."""
    points: tuple[SeededInterval, ...]
    """pass@k at each k, then the area over them; intervals over problems."""
    less: Mapping[str, tuple[SeededInterval, ...]]
    """Paired differences of the same by what they are from: `base`, and `sharpened` where the base was measured colder."""
    problem_ids: tuple[str, ...] = ()
    """Problems that it was measured on, in order; none where it was read from a table, which has no line for a problem."""
    values: FloatArray | None = None
    """(P, K + 1) pass@k and area of each problem; None where it was read from a table."""
    by_problem: Mapping[str, FloatArray] = field(default_factory=dict)
    """(P, K + 1) differences of each problem, by what they are from as in `less`; empty where it was read from a table."""


def measured_cell(
    arm: Arm,
    *,
    seed: int | None,
    bed: str,
    axes: Mapping[str, Any],
    step: int,
    trained: Mapping[str, float],
    confidence: float = 0.95,
) -> CellPoint:
    """The point of an arm with one run, `{seed: counts}` or `{0: counts}` where it is a base.

    Raises:
        DataError: it was evaluated on other problems than its base, or with one rollout of each.
    """
    (counts,) = arm.after.values()
    everything = [counts, arm.before, *arm.colder]
    ks = k_sweep(min(problem.n for one in everything for problem in one))
    if len(ks) < 2:
        raise DataError(f"arm {arm.name} was evaluated with fewer than two rollouts of a problem; an area needs two k")
    (values,) = arm.values(ks, ks).values()
    base = _of(arm.before, ks)
    if base.shape != values.shape or {p.problem_id for p in counts} != {p.problem_id for p in arm.before}:
        raise DataError(f"arm {arm.name} was evaluated on other problems than its base; compare what shares [tasks]")
    differences: dict[str, FloatArray] = {} if seed is None else {BASE: values - base}
    if arm.colder and seed is not None:
        differences[SHARPENED] = beyond_sharpening(values, [base, *(_of(colder, ks) for colder in arm.colder)])
    return CellPoint(
        bed=bed,
        axes=axes,
        arm=arm.name,
        seed=seed,
        step=step,
        trained=trained,
        ks=tuple(ks),
        points=tuple(seeded_intervals(values[None], confidence=confidence)),
        less={name: tuple(seeded_intervals(d[None], confidence=confidence)) for name, d in differences.items()},
        problem_ids=tuple(sorted(problem.problem_id for problem in counts)),
        values=values,
        by_problem=differences,
    )


def near(a: float, b: float) -> bool:
    """Whether two numbers are one as far as a table holds them; undefined ones are."""
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=0.0, abs_tol=_NEAR)


def same_curve(one: CellPoint, other: CellPoint) -> bool:
    """Whether both have one pass@k at the same k, and one area."""
    return one.ks == other.ks and all(
        near(a.estimate, b.estimate) for a, b in zip(one.points, other.points, strict=True)
    )


def rollouts_each(cells: Sequence[CellPoint]) -> float:
    """Rollouts per training problem, the mean over runs; NaN where one does not say."""
    known = [cell.trained.get("rollouts_per_problem", math.nan) for cell in cells]
    return math.fsum(known) / len(known)


def _of(counts: Sequence[ProblemCounts], ks: Sequence[int]) -> FloatArray:
    (values,) = Arm(name="", after={0: counts}, before=counts).values(ks, ks).values()
    return values

"""Kinds of responses: which ways to an answer a policy has, beside how often it is right; what was lost shows where curves cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.intervals import Interval, bootstrap_intervals, paired_differences
from counterpoise.evaluation.store.rollouts import StoredRollout
from counterpoise.streams import numpy_generator
from counterpoise.types import Problem

__all__ = ["KindShares", "kind_changes", "kind_intervals", "kind_shares"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindShares:
    """Shares of each kind of response, problem by problem."""

    problem_ids: tuple[str, ...]
    """Problems with a response, in the order of their ids."""
    kinds: tuple[str, ...]
    """Kinds that occurred, most frequent first."""
    shares: npt.NDArray[np.float64]
    """(P, K) share of each kind among the responses to a problem; rows add up to 1."""

    def columns(self, kinds: Sequence[str]) -> npt.NDArray[np.float64]:
        """(P, K') shares of these kinds; zero for one that did not occur."""
        place = {kind: number for number, kind in enumerate(self.kinds)}
        none = np.zeros(len(self.problem_ids))
        return np.stack([self.shares[:, place[kind]] if kind in place else none for kind in kinds], axis=1)

    @property
    def effective(self) -> float:
        """`exp H` of the mean shares: as many kinds as, equally frequent, would be as hard to guess (Hill number of order 1)."""
        mean = self.shares.mean(axis=0)
        present = mean[mean > 0]
        return float(np.exp(-(present * np.log(present)).sum()))


def kind_shares(
    rollouts: Iterable[StoredRollout], problems: Mapping[str, Problem], kind_of: Callable[[Problem, str], str]
) -> KindShares:
    """Count the kinds of stored responses; responses to other problems than these are passed over.

    Raises:
        DataError: there is no response to any of the problems.
    """
    counts: dict[str, dict[str, int]] = {}
    for rollout in rollouts:
        problem = problems.get(rollout.problem_id)
        if problem is not None:
            own = counts.setdefault(rollout.problem_id, {})
            kind = kind_of(problem, rollout.text)
            own[kind] = own.get(kind, 0) + 1
    if not counts:
        raise DataError("none of the stored responses answers a problem of the task; evaluate the task first")
    ids = sorted(counts)
    total: dict[str, float] = {}
    for own in counts.values():
        for kind, number in own.items():
            total[kind] = total.get(kind, 0.0) + number / sum(own.values())
    kinds = sorted(total, key=lambda kind: (-total[kind], kind))
    shares = np.array([[counts[name].get(kind, 0) for kind in kinds] for name in ids], dtype=np.float64)
    return KindShares(problem_ids=tuple(ids), kinds=tuple(kinds), shares=shares / shares.sum(axis=1, keepdims=True))


def kind_intervals(found: KindShares, kinds: Sequence[str], *, confidence: float, seed: int) -> list[Interval]:
    """Mean share of each kind over problems, with a bootstrap interval (`intervals.bootstrap_intervals`)."""
    generator = numpy_generator(seed, "kinds")
    return bootstrap_intervals(found.columns(kinds), generator=generator, confidence=confidence)


def kind_changes(
    base: KindShares, after: KindShares, kinds: Sequence[str], *, confidence: float, seed: int
) -> list[Interval]:
    """Difference of the mean share of each kind on the same problems, with a paired bootstrap interval.

    Raises:
        DataError: the two do not hold the same problems.
    """
    return paired_differences(
        base.problem_ids,
        base.columns(kinds),
        after.problem_ids,
        after.columns(kinds),
        generator=numpy_generator(seed, "kinds"),
        confidence=confidence,
    )

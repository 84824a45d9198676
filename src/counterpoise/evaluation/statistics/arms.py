"""Arms of a study side by side: pass@k and its area over several seeds each, and paired differences from one of them or the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.estimators.area import area_over_log_k
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.seeds import SeededInterval, pooled_intervals, seeded_intervals
from counterpoise.evaluation.statistics.sharpening import beyond_sharpening

__all__ = ["BASE", "SHARPENED", "Arm", "ArmRow", "arm_rows", "colder_base", "frontier", "mean_rows", "stands_for_base"]


BASE = "base"
"""Name of the policies before training, which can stand where an arm's name can."""

SHARPENED = "sharpened"
"""Name of the base at the temperature that gives it each run's pass@1 (`beyond_sharpening`)."""


def colder_base(temperature: float) -> str:
    """Name of the base at one other temperature: `base at temperature 0.4`."""
    return f"{_COLDER}{temperature:g}"


def stands_for_base(name: str) -> bool:
    """Whether what arms are compared with is called so; no arm can be."""
    return name in (BASE, SHARPENED) or name.startswith(_COLDER)


_COLDER = f"{BASE} at temperature "


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What an arm's runs scored."""

    name: str
    """Name in the study file."""
    after: Mapping[int, Sequence[ProblemCounts]]
    """By seed, after training."""
    before: Sequence[ProblemCounts]
    """Of its base, which is the same for every seed."""
    colder: Sequence[Sequence[ProblemCounts]] = ()
    """Of its base at other temperatures, where differences are taken from `sharpened`."""
    towards: Mapping[int, tuple[Sequence[ProblemCounts], float]] = field(default_factory=dict)
    """A second evaluation by seed and its weight w, for a run that is read between two: its pass@k is `(1 - w) after + w towards`."""

    def values(self, ks: Sequence[int], area_ks: Sequence[int]) -> dict[int, FloatArray]:
        """(P, K + 1) pass@k at each k and area by seed, problems in the order of their ids."""
        asked, found = (ks, area_ks), {}
        for seed in sorted(self.after):
            found[seed] = _values(self.after[seed], asked)
            if seed in self.towards:
                counts, weight = self.towards[seed]
                found[seed] = (1.0 - weight) * found[seed] + weight * _values(counts, asked)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """An arm's curve and how it differs."""

    name: str
    """Name of the arm."""
    seeds: tuple[int, ...]
    """Seeds that are finished, and paired where a difference is taken from another arm."""
    points: tuple[SeededInterval, ...]
    """pass@k at each k, then the area under them over log k."""
    differences: tuple[SeededInterval, ...]
    """The same, minus those of the reference on the same problems (and seeds, where that is an arm); empty for the reference itself."""


def arm_rows(
    arms: Sequence[Arm],
    ks: Sequence[int],
    *,
    against: str = BASE,
    confidence: float = 0.95,
    area_ks: Sequence[int] | None = None,
) -> list[ArmRow]:
    """A row for every arm with a finished run.

    Args:
        arms: in the order to show them.
        ks: at least two numbers of tries.
        against: name of an arm, or `base`: each arm's own policy before training, or `sharpened`: that at equal pass@1.
        confidence: level of the intervals (`seeded_intervals`: seeds and problems both vary).
        area_ks: at least two numbers of tries that the area runs over; `ks` by default.

    Raises:
        DataError: the problems of two runs differ, or the reference has no finished run.
        UsageError: `sharpened` with `ks` that do not begin with 1, or without the base at another temperature.
    """
    rows = []
    for name, (values, moved) in _samples(arms, ks, against=against, area_ks=area_ks).items():
        differences = seeded_intervals(np.stack(list(moved.values())), confidence=confidence) if moved else []
        rows.append(
            ArmRow(
                name=name,
                seeds=tuple(values),
                points=tuple(seeded_intervals(np.stack(list(values.values())), confidence=confidence)),
                differences=tuple(differences),
            )
        )
    return rows


def mean_rows(
    places: Sequence[Sequence[Arm]],
    ks: Sequence[int],
    *,
    against: str = BASE,
    confidence: float = 0.95,
    area_ks: Sequence[int] | None = None,
) -> list[ArmRow]:
    """The mean over places, each counted once, of every arm that has a run in all of them, by the seeds that it has in all of them.

    Places that evaluate the same problems are averaged problem by problem, others are independent (`pooled_intervals`). Which places
    there are is part of the study, not of chance: the interval says nothing about another place.

    Args:
        places: the arms of each.
        ks: at least two numbers of tries.
        against: see `arm_rows`.
        confidence: level of the intervals.
        area_ks: see `arm_rows`.

    Raises:
        DataError, UsageError: as `arm_rows`.
    """
    found = [_samples(arms, ks, against=against, area_ks=area_ks) for arms in places]
    problems = [frozenset(problem.problem_id for problem in arms[0].before) for arms in places]
    rows = []
    for name in found[0] if found else ():
        own = [place[name] for place in found if name in place]
        if len(own) < len(found):
            continue
        values, moved = (_pooled([samples[part] for samples in own], problems, confidence) for part in (0, 1))
        if values is not None:
            seeds, points = values
            rows.append(ArmRow(name=name, seeds=seeds, points=points, differences=() if moved is None else moved[1]))
    return rows


def _pooled(
    places: Sequence[Mapping[int, FloatArray]], problems: Sequence[frozenset[str]], confidence: float
) -> tuple[tuple[int, ...], tuple[SeededInterval, ...]] | None:
    """The seeds that all places have, and the intervals of the mean over places; None where they share no seed."""
    seeds = sorted(set.intersection(*(set(place) for place in places)))
    if not seeds:
        return None
    alike: dict[frozenset[str], list[FloatArray]] = {}
    for place, ids in zip(places, problems, strict=True):
        alike.setdefault(ids, []).append(np.stack([place[seed] for seed in seeds]))
    groups = [(np.mean(arrays, axis=0), len(arrays) / len(places)) for arrays in alike.values()]
    return tuple(seeds), tuple(pooled_intervals(groups, confidence=confidence))


def frontier(rows: Sequence[ArmRow]) -> list[bool]:
    """Whether no other row beats it: is higher in pass@1 or the area, and lower in neither. The first k of the rows is 1.

    It looks at the estimates alone: what lies within its interval of the frontier may belong to it.
    """
    points = [(row.points[0].estimate, row.points[-1].estimate) for row in rows]
    return [not any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in points) for own in points]


_Asked = tuple[Sequence[int], Sequence[int]]
"""Numbers of tries, and those that the area runs over."""


def _samples(
    arms: Sequence[Arm], ks: Sequence[int], *, against: str, area_ks: Sequence[int] | None
) -> dict[str, tuple[dict[int, FloatArray], dict[int, FloatArray]]]:
    """By arm with a finished run: (P, K + 1) values by seed, and differences from the reference."""
    if against == SHARPENED and ks[0] != 1:
        raise UsageError(f"the base is sharpened to equal pass@1, so ks begin with 1; got {list(ks)}")
    known = {arm.name: arm for arm in arms if arm.after}
    if against not in (BASE, SHARPENED, *known):
        raise DataError(f"no arm '{against}' with a finished run; there are: {', '.join([BASE, SHARPENED, *known])}")
    asked = (ks, ks if area_ks is None else area_ks)
    found = {}
    for arm in known.values():
        values = arm.values(*asked)
        found[arm.name] = values, _moved(arm, values, known.get(against), against, asked)
    return found


def _moved(
    arm: Arm, values: Mapping[int, FloatArray], other: Arm | None, against: str, asked: _Asked
) -> dict[int, FloatArray]:
    """(P, K + 1) differences by seed from the reference; empty where that is the arm itself or shares no seed with it."""
    if other is arm:
        return {}
    if other is not None:
        reference = other.values(*asked)
        paired = sorted(values.keys() & reference.keys())
        if paired:
            _check_same(arm, other)
        return {seed: values[seed] - reference[seed] for seed in paired}
    _check_same(arm, None)
    before = _values(arm.before, asked)
    if against == BASE:
        return {seed: values[seed] - before for seed in values}
    base = [before, *(_values(counts, asked) for counts in arm.colder)]
    return {seed: beyond_sharpening(values[seed], base) for seed in values}


def _values(counts: Sequence[ProblemCounts], asked: _Asked) -> FloatArray:
    """(P, K + 1) pass@k and area, problems in the order of their ids."""
    ordered = sorted(counts, key=lambda problem: problem.problem_id)
    n, c = [problem.n for problem in ordered], [problem.c for problem in ordered]
    ks, area_ks = asked
    return np.column_stack([pass_at_k(n, c, ks), area_over_log_k(n, c, area_ks)])


def _check_same(arm: Arm, other: Arm | None) -> None:
    wanted = {problem.problem_id for problem in (arm.before if other is None else next(iter(other.after.values())))}
    for seed, counts in arm.after.items():
        if {problem.problem_id for problem in counts} != wanted:
            raise DataError(
                f"arm {arm.name}, seed {seed}, was evaluated on other problems than what it is compared with; "
                "compare arms that share [tasks] and evaluation.problems"
            )

"""Every estimator of the registry beside pass@k for a set of problems: means, intervals, bounds, and differences between two runs.

The values of each problem are taken once (`per_problem`); means over all problems, over those of one kind and over paired
differences follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from counterpoise.errors import DataError, UnknownNameError
from counterpoise.evaluation.estimators.bounds import bounds
from counterpoise.evaluation.estimators.registry import ESTIMATORS, Estimator
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.evaluation.statistics.bands import unpaired_band
from counterpoise.evaluation.statistics.budgets import UNKNOWN_LENGTHS, budget_sweep, lengths_of
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.curve import defined_mean
from counterpoise.evaluation.statistics.intervals import bootstrap_intervals, paired_differences
from counterpoise.evaluation.statistics.setting import PerProblem, Setting
from counterpoise.text import counted

__all__ = [
    "METRICS",
    "TAUS",
    "Difference",
    "Estimate",
    "differences",
    "estimates",
    "metric_names",
    "per_problem",
]

METRICS = tuple(name for name in ESTIMATORS if name != "pass@k")
"""Estimators beside pass@k, which has a curve of its own."""

TAUS = (0.5, 0.75, 1.0)
"""Thresholds of G-Pass@k and Cover@tau."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimator's mean over a set of problems."""

    metric: str
    """Name in `ESTIMATORS`."""
    k: int | None
    """Tries, where it takes any; `area` runs over all k of the curve."""
    tau: float | None
    """Threshold, where it takes one."""
    part: str | None
    """Graded part of the verdict, for best@k."""
    estimate: float
    """Mean over the problems where it is defined; NaN when there is none."""
    low: float
    """Lower end of the bootstrap interval over problems; NaN with fewer than two such problems."""
    high: float
    """Upper end."""
    problems: int
    """Problems where it is defined."""
    bound_low: float
    """Mean had every unscored rollout been wrong; NaN where that is unknown (maj@k and best@k with unscored rollouts)."""
    bound_high: float
    """The same had every one been right."""
    posterior_low: float | None = None
    """Bayes@N alone: lower end of its posterior interval, which speaks of these problems and not of others."""
    posterior_high: float | None = None
    """Upper end."""
    reason: str | None = None
    """Why it is undefined or leaves problems out; None when it covers every problem."""
    tokens: int | None = None
    """Budget in tokens, for pass@tokens."""

    @property
    def label(self) -> str:
        """As it is written, e.g. `pass^8`."""
        return Setting(metric=self.metric, k=self.k, tau=self.tau, part=self.part, tokens=self.tokens).label

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Estimate:
        """Inverse of `asdict` with null for NaN."""
        numbers = ("estimate", "low", "high", "bound_low", "bound_high")
        return cls(**{**row, **{name: math.nan if row[name] is None else row[name] for name in numbers}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An estimator of one run minus that of another."""

    setting: Setting
    """Which number."""
    estimate: float
    """Mean difference; NaN where a run has no value."""
    low: float
    """Lower end of the interval over problems."""
    high: float
    """Upper end."""
    problems: int
    """Problems behind it; of two sets of problems, those of the smaller one."""


class _Asked(NamedTuple):
    """What is asked of estimators: tries, token budgets, and a seed where one averages over random orders."""

    ks: Sequence[int]
    budgets: Sequence[int]
    seed: int


def metric_names(options: Sequence[str]) -> list[str]:
    """The estimators of `--metric pass^k,maj@k`, in the registry's order; `all` is all of them.

    Raises:
        UnknownNameError: none has that name; the nearest is named.
    """
    words = [word.strip() for option in options for word in option.split(",")]
    for word in words:
        if word not in ESTIMATORS and word != "all":
            raise UnknownNameError("metric", word, [*ESTIMATORS, "all"])
    return [name for name in METRICS if name in words or "all" in words]


def per_problem(
    counts: Sequence[ProblemCounts],
    ks: Sequence[int],
    *,
    metrics: Sequence[str] = METRICS,
    budgets: Sequence[int] | None = None,
    seed: int = 0,
) -> list[PerProblem]:
    """The values of each problem, column by column, estimators in the registry's order.

    Args:
        counts: the problems; maj@k reads `wrong_classes`, best@k `parts` and pass@tokens `tokens`.
        ks: numbers of tries.
        metrics: which estimators.
        budgets: of pass@tokens; `budget_sweep` of the problems otherwise.
        seed: of the orders that pass@tokens averages over.

    Raises:
        DataError: no problems.
        UsageError: impossible counts or k.
    """
    if not counts:
        raise DataError("no problems to estimate anything of; the split, the file or the filter leaves nothing")
    wanted = budget_sweep(counts) if budgets is None else sorted(set(budgets))
    asked = _Asked(ks=ks, budgets=wanted, seed=seed)
    made: list[PerProblem] = []
    for name in METRICS:
        if name in metrics:
            made += _BY_DATA[ESTIMATORS[name].data](name, ESTIMATORS[name], counts, asked)
    return made


def estimates(
    table: Sequence[PerProblem],
    counts: Sequence[ProblemCounts],
    *,
    generator: np.random.Generator,
    rows: Sequence[int] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> tuple[Estimate, ...]:
    """Means over the problems `rows` (all by default) with bootstrap intervals; one resample serves all columns."""
    if not table:
        return ()
    rows = range(len(counts)) if rows is None else rows
    at = np.asarray(rows, dtype=np.int64)
    chosen = [counts[row] for row in rows]
    most = max(problem.n for problem in chosen)
    values_PC = np.stack([column.values[at] for column in table], axis=1)
    intervals = bootstrap_intervals(values_PC, generator=generator, confidence=confidence, resamples=resamples)
    made = []
    for column, interval in zip(table, intervals, strict=True):
        own = ESTIMATORS[column.setting.metric].posterior
        posterior = own and own([p.n for p in chosen], [p.c for p in chosen], confidence=confidence)
        made.append(
            Estimate(
                **asdict(column.setting),
                estimate=_one_nan(interval.estimate),
                low=_one_nan(interval.low),
                high=_one_nan(interval.high),
                problems=interval.problems,
                bound_low=_one_nan(defined_mean(column.low[at])),
                bound_high=_one_nan(defined_mean(column.high[at])),
                reason=_reason(column, interval.problems, chosen, most),
                posterior_low=None if posterior is None else _one_nan(posterior.low),
                posterior_high=None if posterior is None else _one_nan(posterior.high),
            )
        )
    return tuple(made)


def differences(
    base: Sequence[PerProblem],
    after: Sequence[PerProblem],
    *,
    base_ids: Sequence[str],
    after_ids: Sequence[str],
    paired: bool,
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> list[Difference]:
    """`after - base` with its interval over problems, for the columns both runs have.

    Raises:
        DataError: `paired`, and the runs have not the same problems.
    """
    theirs = {column.setting: column for column in after}
    pairs = [(column, theirs[column.setting]) for column in base if column.setting in theirs]
    if not pairs:
        return []
    base_PC, after_PC = (np.stack([column.values for column in side], axis=1) for side in zip(*pairs, strict=True))
    if paired:
        found: Sequence[Any] = paired_differences(
            base_ids, base_PC, after_ids, after_PC, generator=generator, confidence=confidence, resamples=resamples
        )
    else:
        found = unpaired_band(base_PC, after_PC, generator=generator, confidence=confidence, resamples=resamples)
    return [
        Difference(setting=column.setting, estimate=d.estimate, low=d.low, high=d.high, problems=d.problems)
        for (column, _), d in zip(pairs, found, strict=True)
    ]


def _from_counts(
    name: str, estimator: Estimator, counts: Sequence[ProblemCounts], asked: _Asked
) -> Iterator[PerProblem]:
    n, c, unscored = ([getattr(problem, field) for problem in counts] for field in ("n", "c", "unscored"))

    def function(*given: Any) -> FloatArray:
        return estimator.values(estimator.function(*given))

    for setting, given, needs in _calls(name, estimator, asked.ks):
        if needs is None:
            yield _undefined(setting, len(counts), "an area needs at least two different k")
            continue
        values = function(n, c, *given)
        low, high = bounds(function, n, c, unscored, *given)
        flat = (column.reshape(len(counts)) for column in (values, low, high))
        absent = None if setting.k is None else estimator.empty.get(setting.k)
        yield PerProblem(
            setting=setting, **dict(zip(("values", "low", "high"), flat, strict=True)), needs=needs, absent=absent
        )


def _calls(name: str, estimator: Estimator, ks: Sequence[int]) -> Iterator[tuple[Setting, tuple[Any, ...], int | None]]:
    """What to ask for, the arguments behind n and c, and the rollouts it needs (None: it cannot be asked for)."""
    if estimator.whole_list:
        several = len(set(ks)) > 1
        yield Setting(metric=name), (ks,), max(ks) if several else None
        return
    for k in ks if "k" in estimator.settings else (None,):
        for tau in TAUS if "tau" in estimator.settings else (None,):
            given = ([k] if k is not None else None, tau)
            yield Setting(metric=name, k=k, tau=tau), tuple(part for part in given if part is not None), k or 1


def _majority(name: str, estimator: Estimator, counts: Sequence[ProblemCounts], asked: _Asked) -> Iterator[PerProblem]:
    known = [row for row, problem in enumerate(counts) if problem.wrong_classes is not None]
    values_PK = np.full((len(counts), len(asked.ks)), np.nan)
    if known:
        classes = [[counts[row].c, *(counts[row].wrong_classes or ())] for row in known]
        flags = [[True] + [False] * (len(sizes) - 1) for sizes in classes]
        silent = [counts[row].n - sum(sizes) for row, sizes in zip(known, classes, strict=True)]
        values_PK[known] = estimator.function(classes, flags, asked.ks, silent=silent)
    absent = "counts alone do not say which wrong answers are equal; grade the rollouts to know (counterpoise grade)"
    for k, values in zip(asked.ks, values_PK.T, strict=True):
        yield _unbounded(Setting(metric=name, k=k), values, counts, k, None if len(known) == len(counts) else absent)


def _best(name: str, estimator: Estimator, counts: Sequence[ProblemCounts], asked: _Asked) -> Iterator[PerProblem]:
    parts = sorted({part for problem in counts for part in problem.parts})
    graded = [
        part
        for part in parts
        if any(0.0 < value < 1.0 for problem in counts for value, _ in problem.parts.get(part, ()))
    ]
    if not graded:
        why = f"no verdict has a part between 0 and 1; for answers that are right or wrong {name} is pass@k"
        yield from (_undefined(Setting(metric=name, k=k), len(counts), why) for k in asked.ks)
    for part in graded:
        rewards_PN = np.full((len(counts), max(problem.n for problem in counts)), np.nan)
        for row, problem in enumerate(counts):
            pairs = problem.parts.get(part, ())
            filled = np.repeat([value for value, _ in pairs], [times for _, times in pairs])
            rewards_PN[row, : filled.size] = filled
        absent = f"too few verdicts of a problem have a part {part}"
        for k, values in zip(asked.ks, estimator.function(rewards_PN, asked.ks).T, strict=True):
            yield _unbounded(Setting(metric=name, k=k, part=part), values, counts, k, absent)


def _within_budgets(
    name: str, estimator: Estimator, counts: Sequence[ProblemCounts], asked: _Asked
) -> Iterator[PerProblem]:
    if not asked.budgets:
        yield _undefined(Setting(metric=name), len(counts), UNKNOWN_LENGTHS)
        return
    keys = [problem.problem_id for problem in counts]

    def values(right: Sequence[str], wrong: Sequence[str]) -> FloatArray:
        lengths = [lengths_of(counts, *names) for names in (right, wrong)]
        return estimator.values(estimator.function(*lengths, asked.budgets, seed=asked.seed, keys=keys))

    found_PB = low_PB = high_PB = values(["right"], ["wrong"])
    if any(problem.unscored for problem in counts):
        low_PB, high_PB = values(["right"], ["wrong", "unscored"]), values(["right", "unscored"], ["wrong"])
    unknown = any(problem.tokens is None for problem in counts)
    for column, budget in enumerate(asked.budgets):
        yield PerProblem(
            setting=Setting(metric=name, tokens=budget),
            values=found_PB[:, column],
            low=low_PB[:, column],
            high=high_PB[:, column],
            absent=UNKNOWN_LENGTHS
            if unknown
            else f"all scored responses together have less than {budget} tokens; raise n",
        )


_BY_DATA: Mapping[tuple[str, ...], Callable[..., Iterator[PerProblem]]] = {
    ("n", "c"): _from_counts,
    ("counts", "correct"): _majority,
    ("rewards",): _best,
    ("right", "wrong"): _within_budgets,
}
"""How the values of each problem are made, by the data that an estimator is given."""


def _unbounded(
    setting: Setting, values: FloatArray, counts: Sequence[ProblemCounts], needs: int, absent: str | None
) -> PerProblem:
    """What unscored rollouts would have answered is not known, and a mean over the problems without any would bound another number."""
    bound = np.full(len(counts), np.nan) if any(problem.unscored for problem in counts) else values
    return PerProblem(setting=setting, values=values, low=bound, high=bound, needs=needs, absent=absent)


def _one_nan(value: float) -> float:
    """Every NaN as the same object: equal results then compare as equal, since Python looks at identity first."""
    return math.nan if math.isnan(value) else value


def _undefined(setting: Setting, problems: int, why: str) -> PerProblem:
    nothing = np.full(problems, np.nan)
    return PerProblem(setting=setting, values=nothing, low=nothing, high=nothing, absent=why)


def _reason(column: PerProblem, defined: int, counts: Sequence[ProblemCounts], most: int) -> str | None:
    if defined == len(counts):
        return None
    few = sum(problem.n < column.needs for problem in counts)
    if few == len(counts):
        return f"{column.setting.label} needs {counted(column.needs, 'scored rollout')} of a problem; the most any has is {most}"
    left = len(counts) - defined
    why = (
        f"fewer than {counted(column.needs, 'scored rollout')}"
        if few == left or column.absent is None
        else column.absent
    )
    return f"{left} of {counted(len(counts), 'problem')} left out: {why}" if defined else why

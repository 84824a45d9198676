"""Two or more evaluations side by side: where they are found on disk, whether they may be compared, and what the comparison says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.comparison_words import sentences
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.bands import (
    BandPoint,
    Crossing,
    Detectable,
    crossing_k,
    minimum_detectable,
    simultaneous_band,
    unpaired_band,
)
from counterpoise.evaluation.statistics.budgets import budget_sweep
from counterpoise.evaluation.statistics.counts import ProblemCounts, read_counts
from counterpoise.evaluation.statistics.curve import PassAtK, pass_at_k_curve
from counterpoise.evaluation.statistics.metrics import Difference, Estimate, differences, estimates, per_problem
from counterpoise.evaluation.statistics.stretches import FirstLoss, Stretch, first_loss, stretches
from counterpoise.evaluation.store.rollouts import Manifest
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.streams import numpy_generator
from counterpoise.targets import run_and_step

__all__ = ["Comparison", "Contender", "compare", "compare_metrics", "on_common_problems", "read_contender"]

_VALUES = 5_000_000
"""Resampled means that are held at once; of more than 500 k there are fewer resamples, and never fewer than these."""
_LEAST_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One evaluation that takes part in a comparison."""

    name: str
    """Short name for headings."""
    path: Path
    """Directory or file the counts come from."""
    counts: tuple[ProblemCounts, ...]
    """Counts of each problem."""
    manifest: Manifest | None = None
    """How the rollouts were drawn, where that is known."""
    notes: tuple[str, ...] = ()
    """What a reader should know about how it was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One run against the first: `after - base` at each k, and what follows from it."""

    base: str
    """Name of the first run."""
    after: str
    """Name of the other one."""
    ks: tuple[int, ...]
    """Numbers of tries."""
    points: tuple[BandPoint, ...]
    """Difference at each k, with its own interval and the band over all k."""
    detectable: tuple[Detectable, ...]
    """What so many problems can show at each k; empty for an unpaired comparison."""
    lower: str
    """The run that `crossing` speaks of: it lies lower at the last k, or at none."""
    crossing: Crossing | None
    """Where that run drops under the other; None for an unpaired comparison and with fewer than two k."""
    stretches: tuple[Stretch, ...] = ()
    """Over every whole k up to the largest n that both have, by a band of its own over all of them."""
    first_loss: FirstLoss | None = None
    """Where the later run may lie under the first one for the first time, by the same band."""

    def sentences(self) -> list[str]:
        """The comparison in words (`comparison_words.sentences`)."""
        return sentences(self)


def read_contender(target: str) -> Contender:
    """Find the counts that `target` names: an evaluation directory, a run directory (`RUN@STEP` chooses the step), or an {id, n, c} file.

    Of a run the newest evaluation that was finished counts.

    Raises:
        DataError: nothing is there, nothing was evaluated or the evaluation is unfinished, or counts are malformed.
        StoreError: a result cannot be read.
    """
    path, step = run_and_step(target)
    if step is None and path.suffix == ".toml" and path.is_file():
        raise DataError(
            f"{path} says what is to be run; give what was run: a run's directory, or for a study all of its runs, e.g. runs/{path.stem}/*"
        )
    if step is None and path.exists() and not path.is_dir():  # the reader has words for a pipe
        name = path.parent.name if path.name == "problems.jsonl" and path.parent.name else path.stem
        return Contender(name=name, path=path, counts=tuple(read_counts(path)))
    if not path.is_dir():
        raise DataError(f"{path} does not exist; give a run's directory, an evaluation's directory or a file of counts")
    if (path / "config.toml").is_file():
        return _read_run(path, step)
    if step is not None:
        raise DataError(f"{target}: @ chooses a step of a run, and {path} is not a run directory (no config.toml)")
    if (path / "passk.json").is_file():
        return _read_evaluation(path, path.name)
    if (path / "manifest.json").is_file() or (path / "rollouts.jsonl").is_file():
        raise DataError(
            f"the evaluation in {path} is unfinished: it has no passk.json; run the same counterpoise eval again to finish it"
        )
    raise DataError(
        f"{path} holds neither a run (config.toml) nor an evaluation (passk.json); give one of these or a file of counts"
    )


def on_common_problems(contenders: Sequence[Contender]) -> list[Contender]:
    """The same runs with the problems that all of them have.

    Raises:
        DataError: there is none.
    """
    common = set.intersection(*map(_ids, contenders))
    if not common:
        raise DataError("the runs have no problem in common; --unpaired compares their means without pairing")
    return [replace(run, counts=tuple(p for p in run.counts if p.problem_id in common)) for run in contenders]


def compare(
    contenders: Sequence[Contender],
    ks: Sequence[int],
    *,
    paired: bool = True,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[list[tuple[PassAtK, ...]], list[Comparison]]:
    """The pass@k curve of each run, and the comparison of each against the first.

    Args:
        contenders: two runs or more.
        ks: numbers of tries; a run whose n is smaller is undefined there.
        paired: take differences problem by problem, which needs the same problems in all runs; otherwise the means of each run's own
            problems are compared, which is less precise.
        confidence: coverage of intervals and bands.
        resamples: bootstrap resamples.
        seed: of the streams (seed, "evaluation", "compare", …).

    Raises:
        DataError: the problems differ and `paired` is wanted.
        UsageError: fewer than two runs, no k, or numbers out of range.
    """
    if len(contenders) < 2 or not ks:
        raise UsageError(
            f"a comparison needs two runs or more and at least one k; got {len(contenders)} runs and {len(ks)} k"
        )
    ks = sorted(set(ks))
    base, *others = contenders
    for other in others if paired else ():
        _check_same(base, other)
    interval = _Interval(confidence=confidence, resamples=resamples, seed=seed)
    curves = [pass_at_k_curve(run.counts, ks, **interval.of("curve")) for run in contenders]
    return curves, [_compared(base, other, ks, interval, paired=paired) for other in others]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    """How intervals are made."""

    confidence: float
    resamples: int
    seed: int

    def of(self, stream: str) -> _Resampling:
        """The arguments of what is resampled with the stream (seed, "evaluation", "compare", …)."""
        return {
            "generator": numpy_generator(self.seed, "evaluation", "compare", stream),
            "confidence": self.confidence,
            "resamples": self.resamples,
        }

    def over_every(self, ks: Sequence[int]) -> _Resampling:
        """The same over so many k that few resamples fit into memory at once."""
        few = min(self.resamples, max(_LEAST_RESAMPLES, _VALUES // max(1, len(ks))))
        return replace(self, resamples=few).of("every k")


class _Resampling(TypedDict):
    generator: np.random.Generator
    confidence: float
    resamples: int


def _compared(base: Contender, other: Contender, ks: Sequence[int], interval: _Interval, *, paired: bool) -> Comparison:
    every = _every_k(base, other)
    band = _paired_band if paired else _unpaired_band
    points = band(base, other, ks, interval.of("band"))
    over_every = band(base, other, every, interval.over_every(every)) if every else []
    found = Comparison(
        base=base.name,
        after=other.name,
        ks=tuple(ks),
        points=tuple(points),
        detectable=(),
        lower=other.name,
        crossing=None,
        stretches=tuple(stretches(every, over_every)),
        first_loss=first_loss(every, over_every),
    )
    if not paired:
        return found
    differences_PK = _differences(base, other, ks)
    critical = [point.critical for point in points]
    detectable = minimum_detectable(differences_PK, confidence=interval.confidence, critical=critical)
    lower, crossing = _crossing(base.name, other.name, ks, differences_PK, interval)
    return replace(found, detectable=tuple(detectable), lower=lower, crossing=crossing)


def _paired_band(base: Contender, other: Contender, ks: Sequence[int], resampling: _Resampling) -> list[BandPoint]:
    return simultaneous_band(_differences(base, other, ks), **resampling)


def _unpaired_band(base: Contender, other: Contender, ks: Sequence[int], resampling: _Resampling) -> list[BandPoint]:
    return unpaired_band(_values(base.counts, ks), _values(other.counts, ks), **resampling)


def _differences(
    base: Contender, other: Contender, ks: Sequence[int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(P, K) `after - base` of each problem."""
    by_id = {problem.problem_id: problem for problem in other.counts}
    return _values([by_id[problem.problem_id] for problem in base.counts], ks) - _values(base.counts, ks)


def _every_k(base: Contender, other: Contender) -> list[int]:
    """Every whole k up to the largest n that both have."""
    return list(range(1, min(max(problem.n for problem in run.counts) for run in (base, other)) + 1))


def compare_metrics(
    contenders: Sequence[Contender],
    ks: Sequence[int],
    metrics: Sequence[str],
    *,
    budgets: Sequence[int] | None = None,
    paired: bool = True,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[list[tuple[Estimate, ...]], list[list[Difference]]]:
    """The other estimators of each run, and their differences of each run from the first; arguments as `compare`.

    `budgets` are those of pass@tokens, by default what fits the responses of the first run.

    A difference has its own interval only: the band of `compare` is that of the pass@k curve.

    Raises:
        DataError: the problems differ and `paired` is wanted.
    """
    ks = sorted(set(ks))
    wanted = budget_sweep(contenders[0].counts) if budgets is None else budgets
    tables = [per_problem(run.counts, ks, metrics=metrics, budgets=wanted, seed=seed) for run in contenders]
    interval = _Interval(confidence=confidence, resamples=resamples, seed=seed)
    found = [
        estimates(table, run.counts, **interval.of("curve")) for table, run in zip(tables, contenders, strict=True)
    ]
    base_ids, *other_ids = ([problem.problem_id for problem in run.counts] for run in contenders)
    made = [
        differences(tables[0], table, base_ids=base_ids, after_ids=ids, paired=paired, **interval.of("band"))
        for table, ids in zip(tables[1:], other_ids, strict=True)
    ]
    return found, made


def _crossing(
    base: str,
    after: str,
    ks: Sequence[int],
    differences_PK: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    interval: _Interval,
) -> tuple[str, Crossing | None]:
    defined = [column for column in range(len(ks)) if not np.isnan(differences_PK[:, column]).all()]
    if len(defined) < 2:
        return after, None

    def crossing(sign: int) -> Crossing:
        return crossing_k(
            [ks[column] for column in defined], sign * differences_PK[:, defined], **interval.of("crossing")
        )

    found, turned = crossing(1), crossing(-1)
    return (base, turned) if found.state == "above" and turned.state != "above" else (after, found)


def _read_run(path: Path, step: int | None) -> Contender:
    found = {
        int(match[1]): directory
        for directory in (path / "evaluation").glob("step-*")
        if (match := re.fullmatch(r"step-(\d+)", directory.name))
    }
    done = {number: directory for number, directory in found.items() if (directory / "passk.json").is_file()}
    again = f"counterpoise eval {path}" + ("" if step is None else f" --step {step}")
    if step is not None and step not in done:
        what = "is unfinished (no passk.json)" if step in found else "was not made"
        steps = ", ".join(map(str, sorted(done))) or "none"
        raise DataError(
            f"the evaluation of step {step} of {path} {what}; make it with: {again}  (evaluated steps: {steps})"
        )
    if not done:
        what = "none of its evaluations is finished" if found else "it has no evaluation yet"
        raise DataError(f"the run {path} cannot be compared: {what}; make one with: {again}")
    newest = max(done) if step is None else step
    notes = [
        f"{path.name}: the evaluation of step {number} is unfinished, so step {newest} is used"
        for number in sorted(found.keys() - done.keys())
        if step is None and number > newest
    ]
    return replace(_read_evaluation(done[newest], f"{path.resolve().name}@{newest}"), notes=tuple(notes))


def _read_evaluation(path: Path, name: str) -> Contender:
    result = EvaluationResult.load(path)
    return Contender(name=name, path=path, counts=result.counts, manifest=result.manifest)


def _ids(run: Contender) -> set[str]:
    return {problem.problem_id for problem in run.counts}


def _check_same(base: Contender, other: Contender) -> None:
    ours, theirs = _ids(base), _ids(other)
    if ours == theirs:
        return
    common = len(ours & theirs)
    ways = [f"--common compares on the {common} in common"] if common else []
    raise DataError(
        f"{base.name} and {other.name} did not answer the same problems: {common} in common, {len(ours - theirs)} only in {base.name}, "
        f"{len(theirs - ours)} only in {other.name}, so their differences cannot be paired; "
        + ", ".join([*ways, "--unpaired compares the means (wider intervals)"])
    )


def _values(counts: Sequence[ProblemCounts], ks: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return pass_at_k([problem.n for problem in counts], [problem.c for problem in counts], ks)

"""From a graded store to numbers: pass@k with intervals and bounds, and the rates that belong beside it.

Writes `passk.json` (the result) and `problems.jsonl` (`{"id","n","c","unscored",…}`, one line for each problem, for other tools).
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.errors import DataError, StoreError
from counterpoise.evaluation.answers import Equivalent
from counterpoise.evaluation.counting import count_verdicts
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.counts import ProblemCounts, read_counts
from counterpoise.evaluation.statistics.curve import PassAtK, pass_at_k_curve
from counterpoise.evaluation.statistics.guessing import guess_floor
from counterpoise.evaluation.statistics.metrics import Estimate, estimates, per_problem
from counterpoise.evaluation.store.checked import checked
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore
from counterpoise.files import atomic_write_text, read_json, why
from counterpoise.streams import numpy_generator
from counterpoise.text import counted
from counterpoise.types import Problem, StopReason

__all__ = ["EvaluationResult", "summarise"]

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """One evaluation in numbers; `save` and `load` keep it beside its rollouts."""

    manifest: Manifest
    """What was sampled."""
    n: int
    """Rollouts asked for of each problem."""
    verifiers: Mapping[str, str]
    """Verifiers that judged, by name, with their version."""
    confidence: float
    """Coverage of the intervals."""
    curve: tuple[PassAtK, ...]
    """pass@k, k ascending."""
    by_task_type: Mapping[str, tuple[PassAtK, ...]]
    """The same for the problems of each kind."""
    counts: tuple[ProblemCounts, ...]
    """Each problem's counts, in the problems' order."""
    rollouts: int
    """Rollouts counted, unscored included."""
    unscored: int
    """Rollouts no verifier could judge."""
    unscored_reasons: Mapping[str, int]
    """Why, with how often."""
    truncation_rate: float
    """Share of the rollouts cut off at the token limit, of those whose end is known; NaN where none is."""
    no_answer_rate: float
    """Share of the scored rollouts in which no answer was found (they count as wrong)."""
    mean_tokens: float
    """Mean response length in tokens, of the rollouts whose length is known; NaN where none is."""
    distinct_answers: float
    """Mean over problems of the number of different answer texts among their rollouts."""
    duplicates: int = 0
    """Store lines ignored because an earlier line holds the same draw."""
    damaged_lines: int = 0
    """Store lines that could not be read."""
    estimates: tuple[Estimate, ...] = ()
    """The other estimators; none in a result written before they were stored."""
    estimates_by_task_type: Mapping[str, tuple[Estimate, ...]] = field(default_factory=dict)
    """The same for the problems of each kind."""
    guess_floor: Mapping[str, float] = field(default_factory=dict)
    """pass@k of blind guessing by k, where problems offer their answers; empty where none does."""

    def save(self, directory: str | Path) -> Path:
        """Write `problems.jsonl`, then `passk.json`, each atomically; the path of the latter.

        Raises:
            StoreError: a file cannot be written.
        """
        directory = Path(directory)
        text = "".join(json.dumps(problem.to_json(), ensure_ascii=False) + "\n" for problem in self.counts)
        atomic_write_text(directory / "problems.jsonl", text)
        fields = asdict(replace(self, counts=())) | {
            "schema": _SCHEMA,
            "problems": len(self.counts),
            "manifest": self.manifest.to_json(),
        }
        del fields["counts"]
        path = directory / "passk.json"
        atomic_write_text(path, json.dumps(_nan_to_null(fields), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return path

    @classmethod
    def load(cls, directory: str | Path) -> EvaluationResult:
        """Read what `save` wrote.

        Raises:
            StoreError: there is no such result, or it cannot be read.
        """
        path = Path(directory) / "passk.json"
        try:
            fields = read_json(path)
            if fields.pop("schema") != _SCHEMA:
                raise StoreError(
                    f"{path} was written by another version; evaluate again to rewrite it from the stored rollouts"
                )
            problems = fields.pop("problems")
            fields["manifest"] = Manifest.from_json(fields["manifest"])
            fields["curve"] = _curve_from_json(fields["curve"])
            fields["by_task_type"] = {kind: _curve_from_json(rows) for kind, rows in fields["by_task_type"].items()}
            for name, read in (("estimates", _estimates_from_json), ("estimates_by_task_type", _kinds_from_json)):
                if name in fields:
                    fields[name] = read(fields[name])
            rates = ("truncation_rate", "no_answer_rate", "mean_tokens", "distinct_answers")
            fields |= {name: _number(fields[name]) for name in rates}
            counts = tuple(read_counts(path.parent / "problems.jsonl"))
            result = checked(cls(counts=counts, **fields))
            if not 0.0 < result.confidence < 1.0:
                raise ValueError(f"confidence is {result.confidence}")
        except FileNotFoundError as error:
            raise StoreError(f"no evaluation in {directory}: {path} is missing; run the evaluation first") from error
        except DataError:
            raise
        except (OSError, KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise StoreError(
                f"cannot read {path}: {why(error)}; evaluate again to rewrite it from the stored rollouts"
            ) from error
        if len(counts) != problems:
            raise StoreError(
                f"{path} speaks of {counted(problems, 'problem')} and problems.jsonl beside it of {len(counts)}; "
                f"evaluate again to rewrite both"
            )
        return result


def summarise(
    store: RolloutStore,
    problems: Sequence[Problem],
    *,
    n: int,
    graders: Mapping[str, tuple[str, str]],
    equivalent: Equivalent | None = None,
    ks: Sequence[int] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> EvaluationResult:
    """Count the verdicts on the first n draws of each problem and take every estimator from them.

    Args:
        store: rollouts and verdicts; both files are streamed.
        problems: the problems the result speaks of; others in the store are ignored.
        n: draws of each problem that count (sample index below n).
        graders: for each `Problem.verifier`, the (name, version) whose verdicts count.
        equivalent: says which wrong answers are equal, for maj@k; None compares their texts.
        ks: numbers of tries; by default the powers of two up to n.
        confidence: coverage of the intervals.
        resamples: bootstrap resamples; they come from the stream (manifest's seed, "evaluation", "bootstrap").

    Raises:
        DataError: no problems.
        StoreError: every rollout is unscored, or nothing was graded.
    """
    if not problems:
        raise DataError("no problems to summarise; the split or the filter leaves nothing")
    by_id = {problem.problem_id: problem for problem in problems}
    tokens, measured, truncated, ended, rollouts = 0, 0, 0, 0, 0
    lengths = {problem_id: array("q", [-1]) * n for problem_id in by_id}
    for rollout in store.rollouts():
        if rollout.problem_id in by_id and rollout.sample < n:
            rollouts += 1
            tokens += rollout.tokens or 0
            measured += rollout.tokens is not None
            lengths[rollout.problem_id][rollout.sample] = -1 if rollout.tokens is None else rollout.tokens
            truncated += rollout.stop_reason is StopReason.LENGTH
            ended += rollout.stop_reason is not None
    found = count_verdicts(store, by_id, n=n, graders=graders, equivalent=equivalent, lengths=lengths)
    counts = found.counts
    scored, unscored = sum(p.n for p in counts), sum(p.unscored for p in counts)
    if not scored:
        raise StoreError(_nothing_scored(store, unscored, found.reasons, graders))
    wanted = list(k_sweep(n)) if ks is None else sorted(set(ks))
    table = per_problem(counts, wanted, seed=store.manifest.seed)

    def generator() -> np.random.Generator:
        return numpy_generator(store.manifest.seed, "evaluation", "bootstrap")

    def curve(rows: Sequence[int]) -> tuple[PassAtK, ...]:
        chosen = [counts[row] for row in rows]
        return pass_at_k_curve(chosen, wanted, generator=generator(), confidence=confidence, resamples=resamples)

    def others(rows: Sequence[int]) -> tuple[Estimate, ...]:
        return estimates(table, counts, rows=rows, generator=generator(), confidence=confidence, resamples=resamples)

    kinds: dict[str, list[int]] = {kind: [] for kind in sorted({problem.task_type for problem in counts})}
    for row, problem in enumerate(counts):
        kinds[problem.task_type].append(row)
    everything = range(len(counts))
    return EvaluationResult(
        manifest=store.manifest,
        n=n,
        verifiers=dict(sorted(set(graders.values()))),
        confidence=confidence,
        curve=curve(everything),
        by_task_type={kind: curve(rows) for kind, rows in kinds.items()},
        counts=counts,
        rollouts=rollouts,
        unscored=unscored,
        unscored_reasons=dict(found.reasons.most_common()),
        truncation_rate=truncated / ended if ended else float("nan"),
        no_answer_rate=found.no_answers / scored,
        mean_tokens=tokens / measured if measured else float("nan"),
        distinct_answers=found.distinct_answers,
        duplicates=store.duplicates,
        damaged_lines=len(store.damages),
        estimates=others(everything),
        estimates_by_task_type={kind: others(rows) for kind, rows in kinds.items()},
        guess_floor=guess_floor(list(by_id.values()), wanted),
    )


def _nothing_scored(
    store: RolloutStore, unscored: int, reasons: Counter[str], graders: Mapping[str, tuple[str, str]]
) -> str:
    if not unscored:
        return f"{store.directory} holds no verdict on these problems; grade the rollouts first"
    causes = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
    files = ", ".join(str(store.verdicts_path(*grader)) for grader in sorted(set(graders.values())))
    return (
        f"all {unscored} rollouts are unscored, so there is no pass@k: {causes}. The rollouts are kept; "
        f"fix the verifier or its data, delete {files} and run the same command again to grade them anew"
    )


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_null(item) for item in value]
    return value


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _estimates_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Estimate, ...]:
    return tuple(checked(Estimate.from_json(row)) for row in rows)


def _kinds_from_json(kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, tuple[Estimate, ...]]:
    return {kind: _estimates_from_json(rows) for kind, rows in kinds.items()}


def _curve_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[PassAtK, ...]:
    numbers = ("estimate", "low", "high", "bound_low", "bound_high")
    return tuple(checked(PassAtK(**{**row, **{name: _number(row[name]) for name in numbers}})) for row in rows)

"""From a graded store to numbers: pass@k with intervals and bounds, and the rates that belong beside it.

Writes `passk.json` (the result) and `problems.jsonl` (`{"id","n","c","unscored",…}`, one line for each problem, for other tools).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.errors import DataError, StoreError
from counterpoise.evaluation.intervals import bootstrap_intervals
from counterpoise.evaluation.passk import MAX_ROLLOUTS, k_sweep, pass_at_k, pass_at_k_bounds
from counterpoise.evaluation.store import Manifest, RolloutStore
from counterpoise.files import atomic_write_text
from counterpoise.streams import numpy_generator
from counterpoise.types import Problem, StopReason, VerdictValue

__all__ = ["EvaluationResult", "PassAtK", "ProblemCounts", "pass_at_k_curve", "read_counts", "summarise"]

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCounts:
    """What pass@k needs of one problem; one line of `problems.jsonl`."""

    problem_id: str
    """Problem."""
    n: int
    """Scored rollouts: correct, wrong and no answer."""
    c: int
    """Correct ones."""
    unscored: int = 0
    """Rollouts drawn beside the n that no verifier could judge."""
    task_type: str = ""
    """Kind of task."""


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
    """Share of all rollouts cut off at the token limit."""
    no_answer_rate: float
    """Share of the scored rollouts in which no answer was found (they count as wrong)."""
    mean_tokens: float
    """Mean response length of all rollouts, in tokens."""
    distinct_answers: float
    """Mean over problems of the number of different answer texts among their rollouts."""
    duplicates: int = 0
    """Store lines ignored because an earlier line holds the same draw."""
    damaged_lines: int = 0
    """Store lines that could not be read."""

    def save(self, directory: str | Path) -> Path:
        """Write `problems.jsonl`, then `passk.json`, each atomically; the path of the latter.

        Raises:
            StoreError: a file cannot be written.
        """
        directory = Path(directory)
        lines = [
            {"id": p.problem_id, "n": p.n, "c": p.c, "unscored": p.unscored, "task_type": p.task_type}
            for p in self.counts
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        atomic_write_text(directory / "problems.jsonl", text)
        fields = asdict(self) | {"schema": _SCHEMA, "problems": len(self.counts), "manifest": self.manifest.to_json()}
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
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("schema") != _SCHEMA:
                raise StoreError(
                    f"{path} was written by another version; evaluate again to rewrite it from the stored rollouts"
                )
            problems = fields.pop("problems")
            fields["manifest"] = Manifest.from_json(fields["manifest"])
            fields["curve"] = _curve_from_json(fields["curve"])
            fields["by_task_type"] = {kind: _curve_from_json(rows) for kind, rows in fields["by_task_type"].items()}
            rates = ("truncation_rate", "no_answer_rate", "mean_tokens", "distinct_answers")
            fields |= {name: _number(fields[name]) for name in rates}
            counts = tuple(read_counts(path.parent / "problems.jsonl"))
            result = cls(counts=counts, **fields)
        except FileNotFoundError as error:
            raise StoreError(f"no evaluation in {directory}: {path} is missing; run the evaluation first") from error
        except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise StoreError(
                f"cannot read {path}: {error}; evaluate again to rewrite it from the stored rollouts"
            ) from error
        if len(counts) != problems:
            raise StoreError(
                f"{path} speaks of {problems} problems and problems.jsonl beside it of {len(counts)}; evaluate again to rewrite both"
            )
        return result


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
            reason = f"pass@{k} needs {k} scored rollouts of a problem; the most any has is {max(n)}"
        elif left_out:
            reason = f"{left_out} of {len(counts)} problems left out: fewer than {k} scored rollouts"
        curve.append(
            PassAtK(
                k=k,
                estimate=interval.estimate,
                low=interval.low,
                high=interval.high,
                problems=interval.problems,
                bound_low=_defined_mean(low_P),
                bound_high=_defined_mean(high_P),
                reason=reason,
            )
        )
    return tuple(curve)


def summarise(
    store: RolloutStore,
    problems: Sequence[Problem],
    *,
    n: int,
    graders: Mapping[str, tuple[str, str]],
    ks: Sequence[int] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> EvaluationResult:
    """Count the verdicts on the first n draws of each problem and estimate pass@k from them.

    Args:
        store: rollouts and verdicts; both files are streamed.
        problems: the problems the result speaks of; others in the store are ignored.
        n: draws of each problem that count (sample index below n).
        graders: for each `Problem.verifier`, the (name, version) whose verdicts count.
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
    tokens, truncated, rollouts = 0, 0, 0
    for rollout in store.rollouts():
        if rollout.problem_id in by_id and rollout.sample < n:
            rollouts += 1
            tokens += rollout.tokens
            truncated += rollout.stop_reason is StopReason.LENGTH
    values: dict[str, Counter[VerdictValue]] = {problem_id: Counter() for problem_id in by_id}
    answers: dict[str, set[int]] = {problem_id: set() for problem_id in by_id}
    reasons: Counter[str] = Counter()
    for grader in sorted(set(graders.values())):
        for line in store.verdicts(*grader):
            problem = by_id.get(line.problem_id)
            if problem is None or graders.get(problem.verifier) != grader:
                continue
            if line.sample < n and store.holds(line.problem_id, line.sample):
                values[line.problem_id][line.verdict.value] += 1
                if line.verdict.answer is not None:
                    answers[line.problem_id].add(
                        hash(line.verdict.answer)
                    )  # equal within this process, which is enough
                if not line.verdict.scored:
                    reasons[line.verdict.reason or "no reason given"] += 1
    counts = tuple(_counts(problem, values[problem_id]) for problem_id, problem in by_id.items())
    scored, unscored = sum(p.n for p in counts), sum(p.unscored for p in counts)
    if not scored:
        raise StoreError(_nothing_scored(store, unscored, reasons, graders))
    no_answers = sum(value[VerdictValue.NO_ANSWER] for value in values.values())
    kinds = sorted({problem.task_type for problem in by_id.values()})
    wanted = list(k_sweep(n)) if ks is None else sorted(set(ks))

    def curve(kind: str | None) -> tuple[PassAtK, ...]:
        rows = [p for p in counts if kind is None or p.task_type == kind]
        generator = numpy_generator(store.manifest.seed, "evaluation", "bootstrap")
        return pass_at_k_curve(rows, wanted, generator=generator, confidence=confidence, resamples=resamples)

    return EvaluationResult(
        manifest=store.manifest,
        n=n,
        verifiers=dict(sorted(set(graders.values()))),
        confidence=confidence,
        curve=curve(None),
        by_task_type={kind: curve(kind) for kind in kinds},
        counts=counts,
        rollouts=rollouts,
        unscored=unscored,
        unscored_reasons=dict(reasons.most_common()),
        truncation_rate=truncated / rollouts if rollouts else float("nan"),
        no_answer_rate=no_answers / scored,
        mean_tokens=tokens / rollouts if rollouts else float("nan"),
        distinct_answers=_defined_mean(np.array([len(found) for found in answers.values()], dtype=np.float64)),
        duplicates=store.duplicates,
        damaged_lines=len(store.damages),
    )


def read_counts(path: str | Path) -> list[ProblemCounts]:
    """Read lines `{"id", "n", "c"}` (and optionally `"unscored"`, `"task_type"`); other keys are ignored.

    Raises:
        DataError: the file is missing or empty, or a line is malformed: file, line, what was expected.
    """
    path = Path(path)
    counts: list[ProblemCounts] = []
    lines: dict[str, int] = {}
    try:
        with open(path, "rb") as handle:
            for number, raw in enumerate(handle, start=1):
                if raw.strip():
                    problem = _parse_counts(f"{path}:{number}", raw)
                    earlier = lines.setdefault(problem.problem_id, number)
                    if earlier != number:
                        raise DataError(
                            f"{path}:{number}: id '{problem.problem_id}' stands at line {earlier} already; one line for each problem"
                        )
                    counts.append(problem)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not counts:
        raise DataError(f'{path} is empty; expected lines such as {{"id": "p1", "n": 256, "c": 17}}')
    return counts


def _parse_counts(where: str, raw: bytes) -> ProblemCounts:
    expected = 'expected {"id": …, "n": rollouts, "c": correct ones}'
    try:
        data = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); {expected}") from error
    if not isinstance(data, dict):
        raise DataError(f"{where}: a JSON {type(data).__name__}, not an object; {expected}")
    absent = [key for key in ("id", "n", "c") if key not in data]
    if absent:
        raise DataError(f"{where}: no '{absent[0]}' (found: {', '.join(data) or 'nothing'}); {expected}")
    if isinstance(data["id"], bool) or not isinstance(data["id"], str | int):
        raise DataError(f"{where}: id is {data['id']!r}; expected text or an integer")
    numbers = {"n": data["n"], "c": data["c"], "unscored": data.get("unscored", 0)}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ROLLOUTS:
            raise DataError(f"{where}: {key} is {value!r}; expected a whole number from 0 to {MAX_ROLLOUTS}")
    if numbers["c"] > numbers["n"]:
        raise DataError(f"{where}: c={numbers['c']} correct of n={numbers['n']} rollouts; c cannot exceed n")
    return ProblemCounts(problem_id=str(data["id"]), task_type=str(data.get("task_type", "")), **numbers)


def _counts(problem: Problem, values: Counter[VerdictValue]) -> ProblemCounts:
    unscored = values[VerdictValue.UNSCORED]
    return ProblemCounts(
        problem_id=problem.problem_id,
        n=values.total() - unscored,
        c=values[VerdictValue.CORRECT],
        unscored=unscored,
        task_type=problem.task_type,
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
        f"mend the verifier or its data, delete {files} and run the same command again to grade them anew"
    )


def _defined_mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


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


def _curve_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[PassAtK, ...]:
    numbers = ("estimate", "low", "high", "bound_low", "bound_high")
    return tuple(PassAtK(**{**row, **{name: _number(row[name]) for name in numbers}}) for row in rows)

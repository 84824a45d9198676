"""One pass over a store's verdicts: what is counted of each problem, without keeping a text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from counterpoise.evaluation.answers import Equivalent, WrongAnswers
from counterpoise.evaluation.statistics.counts import ProblemCounts, TokenLengths
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.types import Problem, Verdict, VerdictValue

__all__ = ["CountedVerdicts", "count_verdicts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedVerdicts:
    """What the verdicts on a set of problems add up to."""

    counts: tuple[ProblemCounts, ...]
    """Each problem's counts, in the order given."""
    no_answers: int
    """Scored rollouts in which no answer was found."""
    distinct_answers: float
    """Mean over problems of the number of different answer texts."""
    reasons: Counter[str]
    """Why rollouts are unscored, with how often."""


class _Counted:
    """What is counted of one problem while the verdicts go by."""

    __slots__ = ("answers", "lengths", "parts", "silent", "values")

    def __init__(self) -> None:
        self.values: Counter[VerdictValue] = Counter()
        self.answers: set[int] = set()
        self.parts: dict[str, Counter[float]] = {}
        self.silent = 0
        self.lengths: dict[str, Counter[int]] | None = {"right": Counter(), "wrong": Counter(), "unscored": Counter()}

    def add(self, verdict: Verdict, tokens: int) -> None:
        self.values[verdict.value] += 1
        if tokens < 0:
            self.lengths = None
        elif self.lengths is not None:
            right = "right" if verdict.value is VerdictValue.CORRECT else "wrong"
            self.lengths[right if verdict.scored else "unscored"][tokens] += 1
        if verdict.answer is not None:
            self.answers.add(hash(verdict.answer))  # equal within this process, which is enough
        if not verdict.scored:
            return
        for name, value in verdict.parts.items():
            if math.isfinite(value):
                self.parts.setdefault(name, Counter())[float(value)] += 1
        self.silent += verdict.value is VerdictValue.NO_ANSWER and not verdict.parts

    def result(self, problem: Problem, wrong_classes: tuple[int, ...], graded: set[str]) -> ProblemCounts:
        # Without an answer every part that the verifier grades is 0.
        parts = {name: Counter(self.parts.get(name, {})) for name in sorted(graded)}
        for found in parts.values():
            found[0.0] += self.silent
        unscored = self.values[VerdictValue.UNSCORED]
        return ProblemCounts(
            problem_id=problem.problem_id,
            n=self.values.total() - unscored,
            c=self.values[VerdictValue.CORRECT],
            unscored=unscored,
            task_type=problem.task_type,
            wrong_classes=wrong_classes,
            parts={name: tuple(sorted((+found).items())) for name, found in parts.items() if +found},
            tokens=None
            if self.lengths is None or not self.values
            else TokenLengths(**{name: tuple(sorted(found.items())) for name, found in self.lengths.items()}),
        )


def count_verdicts(
    store: RolloutStore,
    problems: Mapping[str, Problem],
    *,
    n: int,
    graders: Mapping[str, tuple[str, str]],
    equivalent: Equivalent | None = None,
    lengths: Mapping[str, Sequence[int]] | None = None,
) -> CountedVerdicts:
    """Count the verdicts on the first n draws of each problem.

    The verdict files are streamed twice, the second time for the texts of frequent wrong answers and only where `equivalent` is given.

    Args:
        store: rollouts and verdicts.
        problems: by id; others in the store are ignored.
        n: draws of each problem that count (sample index below n).
        graders: for each `Problem.verifier`, the (name, version) whose verdicts count.
        equivalent: says which wrong answers are equal; None compares their texts.
        lengths: for each problem the tokens of its first n draws, by sample index, negative where one is not known; None where none is.
    """
    counted = {problem_id: _Counted() for problem_id in problems}
    wrong = WrongAnswers(problems)
    graded: dict[str, set[str]] = {verifier: set() for verifier in graders}
    reasons: Counter[str] = Counter()
    for problem, sample, verdict in _verdicts(store, problems, n, graders):
        counted[problem.problem_id].add(verdict, -1 if lengths is None else lengths[problem.problem_id][sample])
        if verdict.value is VerdictValue.WRONG and verdict.answer is not None:
            wrong.add(problem.problem_id, verdict.answer)
        if verdict.scored:
            graded[problem.verifier] |= verdict.parts.keys()
        else:
            reasons[verdict.reason or "no reason given"] += 1
    again = (
        (problem.problem_id, verdict.answer)
        for problem, _, verdict in _verdicts(store, problems, n, graders)
        if verdict.value is VerdictValue.WRONG and verdict.answer is not None
    )
    classes = wrong.classes(problems, again, equivalent)
    return CountedVerdicts(
        counts=tuple(
            counted[problem_id].result(problem, classes[problem_id], graded.get(problem.verifier, set()))
            for problem_id, problem in problems.items()
        ),
        no_answers=sum(
            one.values[VerdictValue.NO_ANSWER] + one.values[VerdictValue.ABSTAINED] for one in counted.values()
        ),
        distinct_answers=sum(len(one.answers) for one in counted.values()) / len(counted),
        reasons=reasons,
    )


def _verdicts(
    store: RolloutStore, problems: Mapping[str, Problem], n: int, graders: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[Problem, int, Verdict]]:
    """The verdicts that count, with the index of their draw, as the files are read."""
    for grader in sorted(set(graders.values())):
        for line in store.verdicts(*grader):
            problem = problems.get(line.problem_id)
            if problem is None or graders.get(problem.verifier) != grader:
                continue
            if line.sample < n and store.holds(line.problem_id, line.sample):
                yield problem, line.sample, line.verdict

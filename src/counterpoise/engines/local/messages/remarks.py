"""Warn, before a night is spent, of a base that answers nothing right, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterpoise.config import RunConfig
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.pipeline import Experience
from counterpoise.runs.directory import RunDirectory
from counterpoise.text import ends_of
from counterpoise.types import Problem, StopReason, Verdict, VerdictValue

__all__ = ["JudgedResponse", "remark_on_evaluation", "remark_on_step", "remark_on_truncation"]

_MOST = 0.5
"""Share of responses without an answer, or cut off, that is worth a word."""
_EXAMPLES = 3
_HEAD, _TAIL = 70, 110


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedResponse:
    """One judged response."""

    problem: Problem
    """What it answers."""
    text: str
    """The response."""
    verdict: Verdict
    """What the verifier said."""
    cut: bool
    """Whether it hit the token limit."""


def remark_on_evaluation(result: EvaluationResult, run: RunDirectory, problems: Sequence[Problem]) -> list[str]:
    """Remarks on a run's base after its evaluation on some of the problems, a line each; mostly none."""
    right, drawn = sum(problem.c for problem in result.counts), result.rollouts
    shares = _Shares(right=right, drawn=drawn, silent=result.no_answer_rate, cut=result.truncation_rate)
    return _remark(shares, _stored(result, run.evaluation(0), problems), run.path) if shares.remarkable else []


def remark_on_step(experience: Experience, *, path: Path) -> list[str]:
    """The same of the rollouts of a first step, where the base was not evaluated."""
    rows = [
        JudgedResponse(
            problem=prompt.problem,
            text=rollout.text,
            verdict=verdict,
            cut=rollout.stop_reason is StopReason.LENGTH,
        )
        for prompt, rollout, verdict in zip(
            experience.prompts, experience.batch.rollouts, experience.verdicts, strict=True
        )
    ]
    scored = [row for row in rows if row.verdict.scored]
    shares = _Shares(
        right=sum(row.verdict.correct for row in rows),
        drawn=len(rows),
        silent=sum(row.verdict.value is VerdictValue.NO_ANSWER for row in scored) / max(1, len(scored)),
        cut=sum(row.cut for row in rows) / max(1, len(rows)),
    )
    return _remark(shares, rows, path) if shares.remarkable else []


def remark_on_truncation(record: Mapping[str, float], config: RunConfig, *, step: int) -> list[str]:
    """Responses that are cut off before their answer count as wrong, which negative reinforcement takes at its word."""
    share = record["truncated_share"]
    if share <= _MOST or config.verification.truncated == "unscored":
        return []
    return [
        f"{share:.0%} of the responses of step {step} were cut off at rollout.max_tokens={config.rollout.max_tokens} and are judged as "
        "they are, mostly wrong; raise it, or leave them out with verification.truncated=unscored"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    right: int
    drawn: int
    silent: float
    cut: float

    @property
    def remarkable(self) -> bool:
        # A share that is not known is NaN, which is above nothing.
        return self.drawn > 0 and (self.right == 0 or self.silent > _MOST or self.cut > _MOST)


def _stored(result: EvaluationResult, directory: Path, problems: Sequence[Problem]) -> list[JudgedResponse]:
    """The first response to each problem."""
    by_id: Mapping[str, Problem] = {problem.problem_id: problem for problem in problems}
    store = RolloutStore(directory)
    verdicts = {
        line.problem_id: line.verdict
        for name, version in result.verifiers.items()
        for line in store.verdicts(name, version)
        if line.sample == 0
    }
    return [
        JudgedResponse(
            problem=by_id[rollout.problem_id],
            text=rollout.text,
            verdict=verdicts[rollout.problem_id],
            cut=rollout.stop_reason is StopReason.LENGTH,
        )
        for rollout in store.rollouts()
        if rollout.sample == 0 and rollout.problem_id in by_id and rollout.problem_id in verdicts
    ]


def _remark(shares: _Shares, rows: Sequence[JudgedResponse], path: Path) -> list[str]:
    said = [f"{shares.right} of {shares.drawn:,} responses of the base are right"]
    said += [f"{shares.silent:.0%} hold no answer that the verifier can read"] if shares.silent > _MOST else []
    said += [f"{shares.cut:.0%} were cut off at the token limit"] if shares.cut > _MOST else []
    first = ", ".join(said)
    if shares.right == 0:
        first += "; no rule can push up what never comes, and negative reinforcement pushes down all there is"
    return [
        f"{first}. Find out what does not fit with: counterpoise advise {path}@0",
        *(f"  for example {_example(row)}" for row in _chosen(shares, rows)),
    ]


def _chosen(shares: _Shares, rows: Sequence[JudgedResponse]) -> list[JudgedResponse]:
    """A few that show what is wrong, of different problems as long as there are some."""

    def shows(row: JudgedResponse) -> tuple[bool, bool, bool]:
        silent = row.verdict.value is VerdictValue.NO_ANSWER
        return (row.verdict.correct, shares.silent > _MOST and not silent, shares.cut > _MOST and not row.cut)

    ranked = sorted(rows, key=shows)
    firsts = {row.problem.problem_id: row for row in reversed(ranked)}
    different = [row for row in ranked if firsts[row.problem.problem_id] is row]
    return [*different, *(row for row in ranked if row not in different)][:_EXAMPLES]


def _example(row: JudgedResponse) -> str:
    """Question, gold, response and verdict, with every character written out that could steer a terminal."""
    outcome = {VerdictValue.NO_ANSWER: "no answer", VerdictValue.UNSCORED: "unscored"}.get(row.verdict.value)
    outcome = outcome or ("right" if row.verdict.correct else "wrong")
    cut = ", cut off" if row.cut else ""
    return f"{_short(row.problem.question)} (gold {_short(row.problem.gold)}): {_short(row.text)}: {outcome}{cut}"


def _short(text: str) -> str:
    """Beginning and end, since answers stand at the end."""
    return repr(ends_of(text, _HEAD, _TAIL))

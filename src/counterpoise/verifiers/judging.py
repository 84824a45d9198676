"""A batch of responses that is judged while it grows: slow verifiers are at work while the next responses are still being drawn.

Each response is read once and each distinct (verifier, gold, answer) of the batch compared once, whenever its responses come, and what
comes of them is the same as if all had come at once. Only what waits for somebody else is begun early: isolated verifiers, which run in
workers, and verifiers that ask many at a time, in a thread of their own. Verifiers that judge in the caller's process wait for the
caller: two threads of one interpreter take turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, runtime_checkable

from counterpoise.errors import CounterpoiseError, UsageError
from counterpoise.golds import accepted
from counterpoise.types import Basis, Extraction, Judgement, Problem, Verdict, VerdictValue, Verifier
from counterpoise.verifiers.isolate.blame import Blame
from counterpoise.verifiers.isolate.fault import fault_of_error
from counterpoise.verifiers.isolate.feed import Feed, behind
from counterpoise.verifiers.isolate.pool import Job, Outcome, VerifierPool, unscored
from counterpoise.verifiers.several import ONE_ANSWER, any_of

__all__ = ["Announcing", "OpenBatch", "ReadsProblem", "Shortcut", "Together"]

_Key = tuple[str, str, str]
_Item = TypeVar("_Item")


@runtime_checkable
class Shortcut(Protocol):
    """An isolated verifier that settles easy pairs at once, in the caller's process."""

    def shortcut(self, gold: str, answer: str) -> Judgement | None:
        """The judgement when it is certain and cheap, else None; never raises."""
        ...


@runtime_checkable
class Together(Protocol):
    """A verifier that judges many pairs at a time in the caller's process, e.g. by asking an endpoint."""

    def judge_all(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """One judgement for each (gold, answer), in order; failures of single pairs are UNSCORED."""
        ...


@runtime_checkable
class ReadsProblem(Protocol):
    """A verifier that needs more of the problem than its gold."""

    def stated(self, problem: Problem) -> str:
        """What `judge` gets in the gold's place."""
        ...


@runtime_checkable
class Announcing(Protocol):
    """A verifier that does something a user should know of before it does."""

    @property
    def announcement(self) -> str | None:
        """One line; None where there is nothing to say."""
        ...


_LOG = logging.getLogger(__name__)
_said: set[str] = set()

_LEAVE_SECONDS = 1.0
"""For which a closed batch waits for its thread to leave the pool."""


def announce(verifier: Verifier) -> None:
    """Say what a verifier announces, once in this process: as a warning of this module's logger, by default on standard error."""
    line = verifier.announcement if isinstance(verifier, Announcing) else None
    if line is not None and line not in _said:
        _said.add(line)
        _LOG.warning("%s", line)


@dataclass(frozen=True, slots=True)
class _Row:
    problem: Problem
    extraction: Extraction
    fault: Judgement | None


class OpenBatch:
    """Responses with their problems, judged as they come.

    A response without an answer is NO_ANSWER. A verifier that raises, hangs or dies makes UNSCORED, with the reason, for its own pair
    alone; WRONG where `blame` finds the answer at fault.

    Args:
        verifiers: from a problem's verifier name to the verifier.
        pool: where isolated verifiers run; may be None when there are none. Nobody else may use it before the batch is done.
        blame: decides whose fault a failed comparison is; None leaves it UNSCORED.
        ahead: begin before `verdicts` is called.
    """

    def __init__(
        self,
        *,
        verifiers: Mapping[str, Verifier] | Callable[[str], Verifier],
        pool: VerifierPool | None,
        blame: Blame | None = None,
        ahead: bool = True,
    ) -> None:
        self._verifiers, self._pool, self._blame, self._ahead = verifiers, pool, blame, ahead
        self._made: dict[str, Verifier] = {}
        self._readers: dict[str, ReadsProblem | None] = {}  # asking a protocol takes longer than reading most answers
        self._stated: dict[int, str] = {}
        self._rows: dict[int, _Row] = {}
        self._begun: set[_Key] = set()
        self._outcomes: dict[_Key, Outcome] = {}
        self._workers: _Lane[Job] | None = None
        self._together: dict[str, _Lane[_Key]] = {}

    def add(self, rows: Sequence[int], items: Sequence[tuple[Problem, str]]) -> None:
        """Problems with one response each; `rows[i]` is the place of `items[i]` in the batch."""
        new: dict[_Key, None] = {}
        for row, (problem, response) in zip(rows, items, strict=True):
            verifier, fault = self._verifier(problem.verifier), None
            try:
                extraction = verifier.extract(response)
                hash(extraction.answer)  # somebody else's may be anything
            except Exception as error:
                extraction = Extraction(answer=None, basis="none")
                fault = unscored(f"crash: {type(error).__name__}: {error}")
            self._rows[row] = _Row(problem, extraction, fault)
            if self._ahead and extraction.answer is not None:
                new |= dict.fromkeys(_each((problem.verifier, self._gold(problem), extraction.answer)))
        self._begin([key for key in new if key not in self._begun])

    def verdicts(self) -> list[Verdict]:
        """One verdict for each response, in the order of the rows, once all are judged.

        Raises:
            UsageError: an isolated verifier and no pool.
            VerifierError: workers cannot be started at all.
        """
        rows = sorted(self._rows)
        firsts: dict[_Key, int] = {}
        for row in rows:
            one = self._rows[row]
            if one.extraction.answer is not None:
                firsts.setdefault((one.problem.verifier, self._gold(one.problem), one.extraction.answer), row)
        single = {key: _each(key) for key in firsts}
        asked = list(dict.fromkeys(one for each in single.values() for one in each))
        for lane in (*self._together.values(), self._workers):
            self._outcomes |= {} if lane is None else lane.outcomes()
        left = [key for key in asked if key not in self._outcomes]
        outcomes = self._outcomes | _judge_distinct(left, self._made, self._pool)
        if self._blame is not None:
            outcomes |= self._blame.settle(asked, outcomes, self._made)
        outcomes |= {key: _joined([outcomes[one] for one in each]) for key, each in single.items() if each != [key]}
        return [self._verdict(row, firsts, outcomes) for row in rows]

    def close(self) -> None:
        """Nobody wants the verdicts: what is still being judged is ended, but for a question that was asked already."""
        for lane in (*self._together.values(), self._workers):
            if lane is not None:
                lane.feed.cancel()
        if self._workers is not None:
            wait([self._workers.result], timeout=_LEAVE_SECONDS)  # the pool is free again

    def _verifier(self, name: str) -> Verifier:
        if name not in self._made:
            self._made[name] = self._verifiers(name) if callable(self._verifiers) else self._verifiers[name]
            announce(self._made[name])
        return self._made[name]

    def _gold(self, problem: Problem) -> str:
        """What the answers to a problem are compared with; of the problems of one batch, which are repeated, each is asked for once."""
        name = problem.verifier
        if name not in self._readers:
            verifier = self._made[name]
            self._readers[name] = verifier if isinstance(verifier, ReadsProblem) else None
        reader = self._readers[name]
        if reader is None:
            return problem.gold
        if id(problem) not in self._stated:  # the rows keep every problem alive
            self._stated[id(problem)] = reader.stated(problem)
        return self._stated[id(problem)]

    def _begin(self, keys: Sequence[_Key]) -> None:
        self._begun.update(keys)
        parted = _parted(keys, self._made, ahead=True)
        self._outcomes |= parted.settled
        for name, wanted in parted.together.items():
            if name not in self._together:
                self._together[name] = _Lane(partial(_follow, self._made[name]))
            self._together[name].add(wanted, wanted)
        if parted.jobs and self._pool is not None:
            if self._workers is None:
                self._workers = _Lane(self._pool.follow)
            self._workers.add(list(parted.jobs), list(parted.jobs.values()))

    def _verdict(self, row: int, firsts: Mapping[_Key, int], outcomes: Mapping[_Key, Outcome]) -> Verdict:
        one = self._rows[row]
        verifier, extraction = self._made[one.problem.verifier], one.extraction
        if extraction.answer is None:
            judgement, seconds = one.fault or Judgement(value=VerdictValue.NO_ANSWER, basis="none"), 0.0
        else:
            key = (one.problem.verifier, self._gold(one.problem), extraction.answer)
            judgement = outcomes[key].judgement
            seconds = outcomes[key].seconds if firsts[key] == row else 0.0
        return Verdict(
            value=judgement.value,
            answer=extraction.answer,
            basis=str(Basis(extraction.basis, judgement.basis)),
            seconds=seconds,
            verifier=verifier.name,
            version=verifier.version,
            reason=judgement.reason,
            parts=judgement.parts,
        )


class _Lane(Generic[_Item]):
    """Comparisons that are being made by a thread, begun with the first."""

    def __init__(self, work: Callable[[Feed[_Item]], list[Outcome]]) -> None:
        self.feed: Feed[_Item] = Feed()
        self._keys: list[_Key] = []
        self.result = behind(partial(work, self.feed))

    def add(self, keys: Sequence[_Key], items: Sequence[_Item]) -> None:
        self._keys += keys
        self.feed.add(items)

    def outcomes(self) -> dict[_Key, Outcome]:
        """All, once the last is there; raises what the thread raised."""
        self.feed.close()
        return dict(zip(self._keys, self.result.result(), strict=True))


def _follow(verifier: Verifier, feed: Feed[_Key]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while keys := feed.wait():
        outcomes += _together(verifier, keys)
    return outcomes


def _each(key: _Key) -> list[_Key]:
    """The comparisons with single golds that a comparison with a list of golds takes."""
    name, gold, answer = key
    return [(name, one, answer) for one in accepted(gold)] if name in ONE_ANSWER else [key]


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        judgement=any_of([outcome.judgement for outcome in outcomes]),
        seconds=sum(outcome.seconds for outcome in outcomes),
    )


@dataclass(frozen=True, slots=True)
class _Parted:
    """Comparisons by where they are made."""

    settled: dict[_Key, Outcome]
    """Made already, in this process."""
    together: dict[str, list[_Key]]
    """For verifiers that judge many at a time, by their names."""
    jobs: dict[_Key, Job]
    """For a worker."""


def _parted(keys: Sequence[_Key], verifiers: Mapping[str, Verifier], *, ahead: bool) -> _Parted:
    """Where each comparison is made; `ahead` leaves those out that keep the caller waiting."""
    parted = _Parted({}, {}, {})
    for key in keys:
        name, gold, answer = key
        verifier = verifiers[name]
        if isinstance(verifier, Together):
            parted.together.setdefault(name, []).append(key)
        elif verifier.isolated or not ahead:
            outcome = _inline(verifier, gold, answer)
            if outcome is None:
                parted.jobs[key] = Job(verifier=verifier, gold=gold, answer=answer)
            else:
                parted.settled[key] = outcome
    return parted


def _judge_distinct(
    keys: Sequence[_Key], verifiers: Mapping[str, Verifier], pool: VerifierPool | None
) -> dict[_Key, Outcome]:
    parted = _parted(keys, verifiers, ahead=False)
    outcomes = parted.settled
    for name, wanted in parted.together.items():
        outcomes.update(zip(wanted, _together(verifiers[name], wanted), strict=True))
    if parted.jobs:
        if pool is None:
            name = next(iter(parted.jobs))[0]
            raise UsageError(
                f"verifier '{name}' can hang or crash and needs a pool; pass pool=VerifierPool() or use Judge"
            )
        outcomes.update(zip(parted.jobs, pool.judge(list(parted.jobs.values())), strict=True))
    return outcomes


def _together(verifier: Verifier, keys: Sequence[_Key]) -> list[Outcome]:
    """Each with its share of the time."""
    assert isinstance(verifier, Together)
    start = time.perf_counter()
    try:
        judgements = list(map(_judgement, verifier.judge_all([(gold, answer) for _, gold, answer in keys])))
        if len(judgements) != len(keys):
            raise ValueError(f"judge_all gave {len(judgements)} judgements of {len(keys)} pairs")
    except CounterpoiseError:  # a missing package, a cache that cannot be written: not this batch's alone
        raise
    except Exception as error:
        judgements = [unscored(f"crash: {type(error).__name__}: {error}")] * len(keys)
    seconds = (time.perf_counter() - start) / len(keys)
    return [Outcome(judgement=judgement, seconds=seconds) for judgement in judgements]


def _judgement(found: object) -> Judgement:
    if not isinstance(found, Judgement):
        raise TypeError(f"the verifier gave {type(found).__name__} where a Judgement belongs")
    return found


def _inline(verifier: Verifier, gold: str, answer: str) -> Outcome | None:
    """The outcome in this process, None when it takes a worker."""
    start, fault = time.perf_counter(), None
    try:
        if not verifier.isolated:
            judgement: Judgement | None = _judgement(verifier.judge(gold, answer))
        else:
            judgement = verifier.shortcut(gold, answer) if isinstance(verifier, Shortcut) else None
    except Exception as error:
        judgement, fault = unscored(f"crash: {type(error).__name__}: {error}"), fault_of_error(error)
    if judgement is None:
        return None
    return Outcome(judgement=judgement, seconds=time.perf_counter() - start, fault=fault)

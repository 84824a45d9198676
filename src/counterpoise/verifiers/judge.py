"""Judge a batch of responses: extract once each, compare each distinct (verifier, gold, answer) once, isolate what can misbehave."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self, runtime_checkable

from counterpoise.errors import CounterpoiseError, UsageError
from counterpoise.golds import accepted
from counterpoise.types import TRUNCATED, Extraction, Judgement, Problem, Verdict, VerdictValue, Verifier
from counterpoise.verifiers.isolate.blame import Blame
from counterpoise.verifiers.isolate.fault import Fault, fault_of_error
from counterpoise.verifiers.isolate.pool import Job, Outcome, VerifierPool, unscored
from counterpoise.verifiers.registry import make_verifier
from counterpoise.verifiers.several import ONE_ANSWER, any_of

__all__ = ["Announcing", "Judge", "JudgeStatistics", "ReadsProblem", "Shortcut", "Together", "verify_batch"]

_Key = tuple[str, str, str]


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


def announce(verifier: Verifier) -> None:
    """Say what a verifier announces, once in this process: as a warning of this module's logger, by default on standard error."""
    line = verifier.announcement if isinstance(verifier, Announcing) else None
    if line is not None and line not in _said:
        _said.add(line)
        _LOG.warning("%s", line)


def verify_batch(
    items: Sequence[tuple[Problem, str]],
    *,
    verifiers: Mapping[str, Verifier] | Callable[[str], Verifier],
    pool: VerifierPool | None,
    blame: Blame | None = None,
) -> list[Verdict]:
    """One verdict for each (problem, response), in order.

    A response without an answer is NO_ANSWER. A verifier that raises, hangs or dies makes UNSCORED, with
    the reason, for its own pair alone; WRONG where `blame` finds the answer at fault.

    Args:
        items: problems with one response each; a group's problem is repeated.
        verifiers: from a problem's verifier name to the verifier.
        pool: where isolated verifiers run; may be None when there are none.
        blame: decides whose fault a failed comparison is; None leaves it UNSCORED.

    Raises:
        UsageError: an isolated verifier and no pool.
    """
    made: dict[str, Verifier] = {}
    extractions: list[Extraction] = []
    firsts: dict[_Key, int] = {}
    faults: dict[int, Judgement] = {}
    golds = _golds(items, made)
    for index, (problem, response) in enumerate(items):
        if problem.verifier not in made:
            made[problem.verifier] = verifiers(problem.verifier) if callable(verifiers) else verifiers[problem.verifier]
            announce(made[problem.verifier])
        try:
            extraction = made[problem.verifier].extract(response)
        except Exception as error:
            extraction = Extraction(answer=None, basis="none")
            faults[index] = unscored(f"crash: {type(error).__name__}: {error}")
        extractions.append(extraction)
        if extraction.answer is not None:
            firsts.setdefault((problem.verifier, golds(problem), extraction.answer), index)
    single = {key: _each(key) for key in firsts}
    asked = list(dict.fromkeys(one for each in single.values() for one in each))
    outcomes = _judge_distinct(asked, made, pool)
    if blame is not None:
        outcomes |= blame.settle(asked, outcomes, made)
    outcomes |= {key: _joined([outcomes[one] for one in each]) for key, each in single.items() if each != [key]}

    verdicts = []
    for index, ((problem, _), extraction) in enumerate(zip(items, extractions, strict=True)):
        verifier = made[problem.verifier]
        if extraction.answer is None:
            judgement, seconds = faults.get(index) or Judgement(value=VerdictValue.NO_ANSWER, basis="none"), 0.0
        else:
            key = (problem.verifier, golds(problem), extraction.answer)
            judgement = outcomes[key].judgement
            seconds = outcomes[key].seconds if firsts[key] == index else 0.0
        verdicts.append(
            Verdict(
                value=judgement.value,
                answer=extraction.answer,
                basis=f"{extraction.basis}/{judgement.basis}",
                seconds=seconds,
                verifier=verifier.name,
                version=verifier.version,
                reason=judgement.reason,
                parts=judgement.parts,
            )
        )
    return verdicts


def _golds(items: Sequence[tuple[Problem, str]], verifiers: Mapping[str, Verifier]) -> Callable[[Problem], str]:
    """What the answers to a problem are compared with; of the problems of one batch, which are repeated, each is asked for once."""
    stated: dict[int, str] = {}
    readers: dict[str, ReadsProblem | None] = {}  # asking a protocol takes longer than reading most answers

    def gold(problem: Problem) -> str:
        if problem.verifier not in readers:
            found = verifiers[problem.verifier]
            readers[problem.verifier] = found if isinstance(found, ReadsProblem) else None
        verifier = readers[problem.verifier]
        if verifier is None:
            return problem.gold
        if id(problem) not in stated:  # `items` keeps every problem alive
            stated[id(problem)] = verifier.stated(problem)
        return stated[id(problem)]

    return gold


def _each(key: _Key) -> list[_Key]:
    """The comparisons with single golds that a comparison with a list of golds takes."""
    name, gold, answer = key
    return [(name, one, answer) for one in accepted(gold)] if name in ONE_ANSWER else [key]


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        judgement=any_of([outcome.judgement for outcome in outcomes]),
        seconds=sum(outcome.seconds for outcome in outcomes),
    )


def _judge_distinct(
    keys: Sequence[_Key], verifiers: Mapping[str, Verifier], pool: VerifierPool | None
) -> dict[_Key, Outcome]:
    outcomes: dict[_Key, Outcome] = {}
    isolated: list[_Key] = []
    together: dict[str, list[_Key]] = {}
    for key in keys:
        verifier = verifiers[key[0]]
        if isinstance(verifier, Together):
            together.setdefault(key[0], []).append(key)
            continue
        start = time.perf_counter()
        outcome = _inline(verifier, key[1], key[2], start)
        if outcome is None:
            isolated.append(key)
        else:
            outcomes[key] = outcome
    for name, wanted in together.items():
        outcomes.update(zip(wanted, _together(verifiers[name], wanted), strict=True))
    if isolated:
        if pool is None:
            raise UsageError(
                f"verifier '{isolated[0][0]}' can hang or crash and needs a pool; pass pool=VerifierPool() or use Judge"
            )
        jobs = [Job(verifier=verifiers[name], gold=gold, answer=answer) for name, gold, answer in isolated]
        outcomes.update(zip(isolated, pool.judge(jobs), strict=True))
    return outcomes


def _together(verifier: Verifier, keys: Sequence[_Key]) -> list[Outcome]:
    """Each with its share of the time."""
    assert isinstance(verifier, Together)
    start = time.perf_counter()
    try:
        judgements = verifier.judge_all([(gold, answer) for _, gold, answer in keys])
    except CounterpoiseError:  # a missing package, a cache that cannot be written: not this batch's alone
        raise
    except Exception as error:
        judgements = [unscored(f"crash: {type(error).__name__}: {error}")] * len(keys)
    seconds = (time.perf_counter() - start) / len(keys)
    return [Outcome(judgement=judgement, seconds=seconds) for judgement in judgements]


def _inline(verifier: Verifier, gold: str, answer: str, start: float) -> Outcome | None:
    """The outcome in this process, None when it takes a worker."""
    fault: Fault | None = None
    try:
        if not verifier.isolated:
            judgement: Judgement | None = verifier.judge(gold, answer)
        else:
            judgement = verifier.shortcut(gold, answer) if isinstance(verifier, Shortcut) else None
    except Exception as error:
        judgement, fault = unscored(f"crash: {type(error).__name__}: {error}"), fault_of_error(error)
    if judgement is None:
        return None
    return Outcome(judgement=judgement, seconds=time.perf_counter() - start, fault=fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeStatistics:
    """What a judge has done since it was made."""

    responses: int = 0
    """Responses judged."""
    distinct: int = 0
    """Distinct (verifier, gold, answer) triples among them, counted per batch."""
    seconds: float = 0.0
    """Wall time inside `verify`."""
    values: Mapping[VerdictValue, int] = field(default_factory=lambda: MappingProxyType({}))
    """Responses by verdict."""
    unscored: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Unscored responses by kind of reason: `timeout`, `crash`, `memory`, `unparsable gold`, `truncated`."""


class Judge:
    """Verifiers by name and the pool they run in; what the trainer and the evaluator hold.

    `with Judge(timeout=5.0) as judge: verdicts = judge.verify(problems, texts)`

    Args:
        workers: processes for isolated verifiers; started when the first pair needs one.
        timeout: seconds of processor time per pair.
        memory_mb: mebibytes per worker.
        max_tasks: pairs after which a worker is replaced.
        settings: settings of verifiers by name, e.g. `{"math": {"literal": True}}`.
        verifiers: verifiers of your own by name; they go before the registry's.
        blame: `answer` calls an answer WRONG that alone makes its verifier hang, crash or run out of memory, twice and by its own
            processor time, where the gold does not (see `verifiers.blame`); `none` leaves it UNSCORED.
        truncated_is: `wrong` judges a response that was cut off by what it holds, so that it is NO_ANSWER where the answer is missing;
            `unscored` makes every response that was cut off UNSCORED.

    Raises:
        UsageError: a bad argument. UnknownNameError: a problem names no known verifier.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout: float = 5.0,
        memory_mb: int = 1024,
        max_tasks: int = 2000,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        verifiers: Mapping[str, Verifier] | None = None,
        truncated_is: Literal["wrong", "unscored"] = "wrong",
        blame: Literal["answer", "none"] = "answer",
    ) -> None:
        if truncated_is not in ("wrong", "unscored"):
            raise UsageError(f"truncated_is = '{truncated_is}'; it must be 'wrong' or 'unscored'")
        if blame not in ("answer", "none"):
            raise UsageError(f"blame = '{blame}'; it must be 'answer' or 'none'")
        self._truncated_unscored = truncated_is == "unscored"
        self._verifiers = dict(verifiers or {})
        for name, values in (settings or {}).items():
            self._verifiers[name] = make_verifier(name, **values)
        self._pool = VerifierPool(workers=workers, timeout=timeout, memory_mb=memory_mb, max_tasks=max_tasks)
        alone = partial(VerifierPool, workers=workers, timeout=timeout, memory_mb=memory_mb, max_tasks=1)
        self._blame = Blame(alone) if blame == "answer" else None
        self._statistics = JudgeStatistics()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers; safe to call twice."""
        self._pool.close()

    @property
    def statistics(self) -> JudgeStatistics:
        """Totals so far."""
        return self._statistics

    def verifier(self, name: str) -> Verifier:
        """The verifier that judges problems of this name, made on first use."""
        if name not in self._verifiers:
            self._verifiers[name] = make_verifier(name)
        return self._verifiers[name]

    def verify(
        self, problems: Sequence[Problem], responses: Sequence[str], truncated: Sequence[bool] | None = None
    ) -> list[Verdict]:
        """One verdict per response; `problems[i]` is what `responses[i]` answers and `truncated[i]` whether it was cut off.

        Raises:
            UsageError: the lengths differ.
        """
        if len(problems) != len(responses) or (truncated is not None and len(truncated) != len(responses)):
            cut = "" if truncated is None else f", {len(truncated)} truncation flags"
            raise UsageError(
                f"{len(problems)} problems, {len(responses)} responses{cut}: give one of each per response (repeat a group's problem)"
            )
        start = time.perf_counter()
        verdicts = verify_batch(
            list(zip(problems, responses, strict=True)), verifiers=self.verifier, pool=self._pool, blame=self._blame
        )
        distinct = {
            (problem.verifier, problem.problem_id if problem.record else problem.gold, verdict.answer)
            for problem, verdict in zip(problems, verdicts, strict=True)
            if verdict.answer is not None
        }
        if truncated is not None and self._truncated_unscored:
            verdicts = [_cut_off(v) if cut else v for v, cut in zip(verdicts, truncated, strict=True)]
        self._count(verdicts, len(distinct), time.perf_counter() - start)
        return verdicts

    def _count(self, verdicts: Sequence[Verdict], distinct: int, seconds: float) -> None:
        before = self._statistics
        reasons = Counter((v.reason or "unknown").split(":")[0] for v in verdicts if not v.scored)
        self._statistics = JudgeStatistics(
            responses=before.responses + len(verdicts),
            distinct=before.distinct + distinct,
            seconds=before.seconds + seconds,
            values=MappingProxyType(Counter(before.values) + Counter(v.value for v in verdicts)),
            unscored=MappingProxyType(Counter(before.unscored) + reasons),
        )


def _cut_off(verdict: Verdict) -> Verdict:
    return Verdict(
        value=VerdictValue.UNSCORED,
        answer=verdict.answer,
        basis=verdict.basis,
        seconds=verdict.seconds,
        verifier=verdict.verifier,
        version=verdict.version,
        reason=TRUNCATED,
    )

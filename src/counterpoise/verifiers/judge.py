"""Judge a batch of responses: extract once each, compare each distinct (verifier, gold, answer) once, isolate what can misbehave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Self

from counterpoise.errors import UsageError
from counterpoise.types import TRUNCATED, Judging, Problem, Verdict, VerdictValue, Verifier
from counterpoise.verifiers.isolate.blame import Blame
from counterpoise.verifiers.isolate.pool import VerifierPool
from counterpoise.verifiers.judging import OpenBatch
from counterpoise.verifiers.registry import make_verifier

__all__ = ["Judge", "JudgeStatistics", "verify_batch"]


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
    batch = OpenBatch(verifiers=verifiers, pool=pool, blame=blame, ahead=False)
    batch.add(range(len(items)), items)
    return batch.verdicts()


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

    def __exit__(self, *_: object) -> None:
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
        batch = self._batch(ahead=False)
        batch.add(range(len(problems)), problems, responses, truncated or [False] * len(problems))
        return batch.verdicts()

    def begin(self) -> Judging:
        """A batch that is judged as its responses come, with the verdicts that `verify` would give; close it where it is not finished.

        One at a time, and nothing is verified meanwhile.
        """
        return self._batch(ahead=True)

    def _batch(self, *, ahead: bool) -> _Counted:
        batch = OpenBatch(verifiers=self.verifier, pool=self._pool, blame=self._blame, ahead=ahead)
        return _Counted(batch, cut_unscored=self._truncated_unscored, count=self._count)

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


class _Counted:
    """An open batch whose verdicts a judge counts and, where responses that were cut off are not scored, withholds."""

    def __init__(
        self, batch: OpenBatch, *, cut_unscored: bool, count: Callable[[Sequence[Verdict], int, float], None]
    ) -> None:
        self._batch, self._cut_unscored, self._count = batch, cut_unscored, count
        self._problems: dict[int, Problem] = {}
        self._cut: set[int] = set()
        self._seconds = 0.0

    def add(
        self, rows: Sequence[int], problems: Sequence[Problem], responses: Sequence[str], truncated: Sequence[bool]
    ) -> None:
        start = time.perf_counter()
        self._problems |= zip(rows, problems, strict=True)
        self._cut |= {row for row, cut in zip(rows, truncated, strict=True) if cut}
        self._batch.add(rows, list(zip(problems, responses, strict=True)))
        self._seconds += time.perf_counter() - start

    def verdicts(self) -> list[Verdict]:
        start, rows = time.perf_counter(), sorted(self._problems)
        verdicts = self._batch.verdicts()
        distinct = {
            (problem.verifier, problem.problem_id if problem.record else problem.gold, verdict.answer)
            for problem, verdict in zip((self._problems[row] for row in rows), verdicts, strict=True)
            if verdict.answer is not None
        }
        if self._cut_unscored:
            verdicts = [_cut_off(v) if row in self._cut else v for row, v in zip(rows, verdicts, strict=True)]
        self._count(verdicts, len(distinct), self._seconds + time.perf_counter() - start)
        return verdicts

    def close(self) -> None:
        self._batch.close()


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

"""What a verifier says of an answer, and what that is worth."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from counterpoise.types.rollouts import Problem

__all__ = [
    "TRUNCATED",
    "Basis",
    "Extraction",
    "Judgement",
    "Judging",
    "Reward",
    "Verdict",
    "VerdictValue",
    "Verifier",
    "Verify",
]

TRUNCATED = "truncated"
"""The reason of a verdict that is withheld because the response was cut off (`verification.truncated`)."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class VerdictValue(enum.StrEnum):
    """Right, wrong and not known. `no_answer` and `abstained` count as wrong: no answer was found, or it declines ("I don't know").

    `unscored` is our fault and counts as nothing.
    """

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    ABSTAINED = "abstained"
    UNSCORED = "unscored"

    @classmethod
    def stored(cls, value: str, parts: Mapping[str, float]) -> VerdictValue:
        """The value of a stored verdict; lines written before `abstained` was a value have `no_answer` and a part of that name.

        Raises:
            ValueError: there is no such value.
        """
        found = cls(value)
        return cls.ABSTAINED if found is cls.NO_ANSWER and parts.get("abstained") == 1 else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The answer a verifier found in a response."""

    answer: str | None
    """The answer's text; None when the response has none."""
    basis: str
    """What it was recognised by, e.g. `boxed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a verifier says of one (gold, answer) pair."""

    value: VerdictValue
    """CORRECT, WRONG, UNSCORED, ABSTAINED for an answer that declines ("I don't know"), or NO_ANSWER for one that is none after all."""
    basis: str
    """Comparison that decided, e.g. `symbolic`."""
    reason: str | None = None
    """Why it is unscored; None otherwise."""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Graded dimensions in [0, 1] by name, e.g. `{"tests_passed": 0.4}`; empty for a purely binary verifier."""


class Verifier(Protocol):
    """Says whether an answer is right. `extract` is cheap and total; `judge` may be slow or crash and then runs in the pool."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        ...

    @property
    def isolated(self) -> bool:
        """True when `judge` must run in a killable worker."""
        ...

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; never raises, whatever the text."""
        ...

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare one answer with the gold; must be picklable when `isolated`."""
        ...


class Basis(NamedTuple):
    """What a verdict rests on; `str` writes it as `boxed/symbolic`, `read` reads that."""

    found_by: str
    """What the answer was recognised by (`Extraction.basis`); a file's rule as a whole where no verifier of ours judged."""
    decided_by: str
    """The comparison that decided (`Judgement.basis`)."""

    @classmethod
    def read(cls, text: str) -> Basis:
        """From `Verdict.basis`, which is `rule` in files."""
        found, _, decided = text.partition("/")
        return cls(found, decided)

    def __str__(self) -> str:
        return f"{self.found_by}/{self.decided_by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one rollout. pass@k reads verdicts, never rewards."""

    value: VerdictValue
    """Truth value."""
    answer: str | None
    """Text that was judged; None when there was no answer."""
    basis: str
    """What the answer was recognised by and the comparison that decided, as `Basis` writes them; `rule` in files."""
    seconds: float
    """Wall time of the judgement; 0 when another rollout of the batch had the same answer."""
    verifier: str
    """Verifier's name."""
    version: str
    """Verifier's version."""
    reason: str | None = None
    """For UNSCORED: timeout, crash, unparsable gold, sandbox fault, …"""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Graded dimensions from the judgement."""

    @property
    def correct(self) -> bool:
        """CORRECT and nothing else."""
        return self.value is VerdictValue.CORRECT

    @property
    def scored(self) -> bool:
        """False only for UNSCORED, which leaves every statistic."""
        return self.value is not VerdictValue.UNSCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What a verdict is worth: one value in the declared range, and its named parts."""

    value: float
    """In [low, high]; NaN when unscored."""
    low: float = -1.0
    """Smallest possible value."""
    high: float = 1.0
    """Largest possible value."""
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Named dimensions."""


class Verify(Protocol):
    """Judges responses (`verifiers.judge.Judge.verify`)."""

    def __call__(
        self, problems: Sequence[Problem], responses: Sequence[str], truncated: Sequence[bool] | None = None
    ) -> list[Verdict]:
        """One verdict per response, in order; `truncated` says which were cut off at the token limit."""
        ...


class Judging(Protocol):
    """A batch that is judged as its responses come (`verifiers.judge.Judge.begin`); the verdicts do not depend on when they come."""

    def add(
        self, rows: Sequence[int], problems: Sequence[Problem], responses: Sequence[str], truncated: Sequence[bool]
    ) -> None:
        """More of the batch: where in it each response stands, its problem, its text and whether it was cut off."""
        ...

    def verdicts(self) -> list[Verdict]:
        """One for each response, in the order of the rows, once all are judged."""
        ...

    def close(self) -> None:
        """Nobody wants the verdicts; after `verdicts` there is nothing to do."""
        ...

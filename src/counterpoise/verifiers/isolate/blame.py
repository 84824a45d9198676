"""Whose fault it is that a comparison gave no judgement: under negative reinforcement an unscored response earns as much as a right one.

Left alone, a policy learns to write what hangs its verifier. An answer is at fault when the comparison fails twice by itself
(processor time, memory, a crash; never the clock, and never a worker that somebody else ended), the second time alone in a fresh worker,
when the verifier works the gold out without trouble, and when it fails at the answer without the gold, as far as it can be asked that:
then that is the second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from counterpoise.errors import VerifierError
from counterpoise.types import Extraction, Judgement, VerdictValue, Verifier
from counterpoise.verifiers.isolate.fault import Fault, fault_of_error
from counterpoise.verifiers.isolate.pool import Job, Outcome, Timed, VerifierPool, unscored

__all__ = ["Blame", "WorksOut"]

PATIENCE = 8.0
"""Times a job's processor time that a second try may take by the clock: eight processes may share a core."""
_MOST_REMEMBERED = 20_000

_Key = tuple[str, str, str]
_Text = tuple[str, str]
_Any = TypeVar("_Any", _Key, _Text)


@runtime_checkable
class WorksOut(Protocol):
    """A verifier that can work a text out by itself, where comparing it with itself would take a short cut."""

    def work_out(self, text: str) -> None:
        """Take as long and as much as `judge` would for this side's part; raise where that would."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneSide:
    """A verifier that is given one text alone."""

    verifier: Verifier
    """Who judges."""
    name: str = "one side"
    version: str = "1"

    @property
    def isolated(self) -> bool:
        """As the verifier."""
        return self.verifier.isolated

    def extract(self, response: str) -> Extraction:
        """Never asked."""
        return Extraction(answer=None, basis="none")

    def judge(self, gold: str, answer: str) -> Judgement:
        """That the text could be worked out; one that is not a gold for this verifier was not."""
        if isinstance(self.verifier, WorksOut):
            self.verifier.work_out(gold)
        else:
            self.verifier.judge(gold, answer)
        return Judgement(value=VerdictValue.CORRECT, basis="worked_out")


class Blame:
    """Tries failed comparisons once more, alone, and calls an answer that is at fault WRONG, rule `intractable_answer`."""

    def __init__(self, open_pool: Callable[[], VerifierPool]) -> None:
        """`open_pool` makes the pool of the second tries, whose workers judge one job each, so that none finds what another left."""
        self._open_pool = open_pool
        self._golds: dict[_Text, bool] = {}
        self._answers: dict[_Text, bool] = {}

    def settle(
        self, keys: Sequence[_Key], outcomes: Mapping[_Key, Outcome], verifiers: Mapping[str, Verifier]
    ) -> dict[_Key, Outcome]:
        """New outcomes of those keys (verifier's name, gold, answer) whose comparison failed; others are left out.

        `Timed` verifiers have judged whose fault a time-out is themselves.
        """
        failed = [k for k in keys if outcomes[k].fault is not None and not isinstance(verifiers[k[0]], Timed)]
        if not failed:
            return {}
        with self._open_pool() as pool:
            # Alone, in a fresh worker, is a second try as well: what fails there needs no third.
            own = [key for key in failed if outcomes[key].fault is not Fault.OUTSIDE]
            alone = [(name, answer) for name, _, answer in own if isinstance(verifiers[name], WorksOut)]
            self._look(pool, self._answers, alone, verifiers)
            known = [key for key in failed if self._answers.get((key[0], key[2])) is False]
            again = {key: outcomes[key] for key in known}
            again |= _alone(pool, {key: (verifiers[key[0]], key[1], key[2]) for key in failed if key not in again})
            suspects = [key for key, outcome in again.items() if outcome.fault not in (None, Fault.OUTSIDE)]
            suspects += [key for key in known if key not in suspects]
            self._look(pool, self._golds, [(name, gold) for name, gold, _ in suspects], verifiers)
            suspects = [(name, gold, answer) for name, gold, answer in suspects if self._golds.get((name, gold))]
            asked = [key for key in suspects if isinstance(verifiers[key[0]], WorksOut)]
            self._look(pool, self._answers, [(name, answer) for name, _, answer in asked], verifiers)
        # Where it is not known whether the answer alone is trouble, it is not blamed.
        spared = {key for key in asked if self._answers.get((key[0], key[2]), True)}
        return again | {key: _wrong(again[key]) for key in suspects if key not in spared}

    def _look(
        self, pool: VerifierPool, seen: dict[_Text, bool], texts: Sequence[_Text], verifiers: Mapping[str, Verifier]
    ) -> None:
        """Find out which of these texts cause no trouble by themselves. What the machine did to one is not remembered."""
        if len(seen) > _MOST_REMEMBERED:
            seen.clear()
        new = {text: _OneSide(verifier=verifiers[text[0]]) for text in texts if text not in seen}
        outcomes = _alone(pool, {(name, text): (side, text, text) for (name, text), side in new.items()})
        seen |= {
            text: outcome.fault is None for text, outcome in outcomes.items() if outcome.fault is not Fault.OUTSIDE
        }


def _alone(pool: VerifierPool, tries: Mapping[_Any, tuple[Verifier, str, str]]) -> dict[_Any, Outcome]:
    """The outcomes of (verifier, gold, answer), each in a worker of its own, or here where the verifier needs none."""
    isolated = {
        key: Job(verifier=v, gold=gold, answer=answer) for key, (v, gold, answer) in tries.items() if v.isolated
    }
    try:
        outcomes = dict(zip(isolated, pool.judge(list(isolated.values()), patience=PATIENCE), strict=True))
    except VerifierError as error:  # no worker starts
        outcomes = dict.fromkeys(
            isolated, Outcome(judgement=unscored(f"crash: {error}"), seconds=0.0, fault=Fault.OUTSIDE)
        )
    return {key: outcomes[key] if key in isolated else _here(*tries[key]) for key in tries}


def _here(verifier: Verifier, gold: str, answer: str) -> Outcome:
    started = time.perf_counter()
    fault = None
    try:
        judgement = verifier.judge(gold, answer)
    except Exception as error:
        judgement, fault = unscored(f"crash: {type(error).__name__}: {error}"), fault_of_error(error)
    return Outcome(judgement=judgement, seconds=time.perf_counter() - started, fault=fault)


def _wrong(outcome: Outcome) -> Outcome:
    judgement = Judgement(value=VerdictValue.WRONG, basis="intractable_answer", reason=outcome.judgement.reason)
    return Outcome(judgement=judgement, seconds=outcome.seconds)

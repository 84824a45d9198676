"""The work that servers share: which draws are still to be asked for, and by whom."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from counterpoise.endpoint import Failure
from counterpoise.rollouts.served.dialect import Ask

__all__ = ["Work", "WorkQueue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Draws of one problem."""

    ask: Ask
    """The prompt."""
    samples: tuple[int, ...]
    """Consecutive indices."""


class WorkQueue:
    """What is to be drawn, in order; each of several takers has problems of its own that it cannot have.

    Args:
        wanted: prompts, each with ascending sample indices.
        failed: by taker, why it cannot have a problem; a failure that was handed over to takers who fail too is taken back.
        retries: how often it is, for each problem.
    """

    def __init__(
        self, wanted: Sequence[tuple[Ask, Sequence[int]]], failed: Mapping[int, dict[str, Failure]], *, retries: int = 0
    ) -> None:
        self._work = deque(Work(ask=ask, samples=run) for ask, samples in wanted for run in _runs(samples))
        self._failed, self._retries = dict(failed), retries
        self._retried: Counter[str] = Counter()
        self.lost: dict[str, Failure] = {}
        """Why the problems that nobody could draw have no more."""

    def __len__(self) -> int:
        return len(self._work)

    @property
    def takers(self) -> int:
        """How many still take."""
        return len(self._failed)

    def take(self, taker: int, most: int) -> Work | None:
        """The first draws, `most` at a time, of a problem that the taker can have; None where there are none."""
        others: list[Work] = []
        found = None
        while self._work and found is None:
            work = self._work.popleft()
            name = work.ask.problem_id
            if name in self.lost:
                continue
            if name not in self._failed.get(taker, {}):
                found = work
            elif all(name in failed for failed in self._failed.values()):
                self.lost[name] = self._failed[taker][name]
            else:
                others.append(work)
        self._work.extendleft(reversed(others))
        if found is not None and len(found.samples) > most:
            self._work.appendleft(Work(ask=found.ask, samples=found.samples[most:]))
            found = Work(ask=found.ask, samples=found.samples[:most])
        return found

    def put_back(self, work: Work, lacking: Sequence[int] | None = None) -> None:
        """Ask for them, or for those that are `lacking`, again."""
        samples = work.samples if lacking is None else lacking
        self._work.extendleft(Work(ask=work.ask, samples=run) for run in _runs(samples))
        self._try_again(work.ask.problem_id)

    def leave(self, taker: int) -> None:
        """It takes no more; what it could not have, others may."""
        del self._failed[taker]
        for name in {work.ask.problem_id for work in self._work}:
            self._try_again(name)

    def _try_again(self, name: str) -> None:
        """Where all have failed, let those who left it to the others have it again."""
        having = [failed for failed in self._failed.values() if name in failed and failed[name].handed_over]
        if having and all(name in failed for failed in self._failed.values()) and self._retried[name] < self._retries:
            self._retried[name] += 1
            for failed in having:
                del failed[name]

    def close(self, last: Failure | None) -> None:
        """What is left is lost: because of what its taker says, or of the last failure of all."""
        for work in self._work:
            name = work.ask.problem_id
            why = next((failed[name] for failed in self._failed.values() if name in failed), last)
            assert why is not None, "there is work, and nobody says why it was not done"
            self.lost.setdefault(name, why)


def _runs(samples: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Ascending indices as runs without a gap."""
    breaks = [place for place, (one, two) in enumerate(pairwise(samples), start=1) if two != one + 1]
    for start, end in pairwise((0, *breaks, len(samples))):
        if end > start:
            yield tuple(samples[start:end])

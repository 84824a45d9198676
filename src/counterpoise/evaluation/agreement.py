"""Two gradings of the same rollouts: how often each verdict became which, and the rollouts to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

from counterpoise.evaluation.store.rollouts import RolloutStore, StoredVerdict
from counterpoise.types import Verdict, VerdictValue

__all__ = ["Agreement", "Changed", "Grader", "agreement"]

Grader = tuple[str, str]
"""Name and version of a verifier."""

_VALUES = tuple(VerdictValue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One rollout that the two gradings judge differently."""

    problem_id: str
    """Its problem."""
    sample: int
    """Index of the draw."""
    before: Verdict
    """The earlier verdict."""
    after: Verdict
    """The later one."""
    text: str
    """The response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two gradings side by side."""

    counts: Mapping[tuple[VerdictValue, VerdictValue], int]
    """Rollouts by (verdict before, verdict after), equal ones included; only what occurs."""
    fresh: int
    """Rollouts that only the later grading has."""
    examples: tuple[Changed, ...] = ()
    """Rollouts with another verdict, the kinds of change in turn."""

    @property
    def compared(self) -> int:
        """Rollouts both have judged."""
        return sum(self.counts.values())

    @property
    def share(self) -> float:
        """Share of these with the same verdict; NaN when there is none."""
        same = sum(count for (before, after), count in self.counts.items() if before is after)
        return same / self.compared if self.compared else float("nan")


def agreement(
    store: RolloutStore, before: Mapping[str, Grader], after: Mapping[str, Grader], *, n: int, examples: int = 0
) -> Agreement:
    """Compare two gradings draw by draw.

    Args:
        store: the graded rollouts; its files are streamed and one byte for each draw is held.
        before: for each problem id, whose verdicts are the earlier ones; a problem that is absent was not judged.
        after: the same for the later ones.
        n: draws of each problem that are compared (sample index below n).
        examples: changed rollouts to return at most.
    """
    codes: dict[str, bytearray] = {}
    for grader in sorted(set(before.values())):
        for line in store.verdicts(*grader):
            if before.get(line.problem_id) == grader and line.sample < n:
                row = codes.setdefault(line.problem_id, bytearray(n))
                row[line.sample] = 1 + _VALUES.index(line.verdict.value)
    counts: Counter[tuple[VerdictValue, VerdictValue]] = Counter()
    changed: dict[tuple[VerdictValue, VerdictValue], list[StoredVerdict]] = {}
    fresh = 0
    for grader in sorted(set(after.values())):
        for line in store.verdicts(*grader):
            wanted = after.get(line.problem_id) == grader and line.sample < n
            if not wanted or not store.holds(line.problem_id, line.sample):
                continue
            code = codes[line.problem_id][line.sample] if line.problem_id in codes else 0
            if not code:
                fresh += 1
                continue
            change = (_VALUES[code - 1], line.verdict.value)
            counts[change] += 1
            if change[0] is not change[1] and len(changed.setdefault(change, [])) < examples:
                changed[change].append(line)
    turns = (line for turn in zip_longest(*changed.values()) for line in turn if line is not None)
    chosen = {(line.problem_id, line.sample): line.verdict for line, _ in zip(turns, range(examples), strict=False)}
    return Agreement(counts=dict(counts), fresh=fresh, examples=_examples(store, before, chosen))


def _examples(
    store: RolloutStore, before: Mapping[str, Grader], chosen: Mapping[tuple[str, int], Verdict]
) -> tuple[Changed, ...]:
    if not chosen:
        return ()
    earlier = {
        (line.problem_id, line.sample): line.verdict
        for grader in sorted({before[problem_id] for problem_id, _ in chosen})
        for line in store.verdicts(*grader)
        if (line.problem_id, line.sample) in chosen and before[line.problem_id] == grader
    }
    texts = {(r.problem_id, r.sample): r.text for r in store.rollouts() if (r.problem_id, r.sample) in chosen}
    return tuple(
        Changed(problem_id=key[0], sample=key[1], before=earlier[key], after=verdict, text=texts[key])
        for key, verdict in chosen.items()
    )

"""How the responses end in which no answer could be read: where the answer format and the verifier part company."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.text import counted
from counterpoise.types import Basis, StopReason, VerdictValue

__all__ = ["Endings", "unread_endings"]

_SHOWN = 10
_WIDTH = 72
_MOST_KEPT = 50_000
_UNREAD = "unparsable_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """The last lines of responses without a readable answer."""

    unread: int
    """Responses in which no answer was found, or one that could not be read."""
    cut: int
    """Those of them that were cut off at the token limit; their last lines say nothing."""
    commonest: tuple[tuple[str, int], ...]
    """Last line and how often, most first, ten at most; its end alone where it is longer than 72 characters."""

    def lines(self) -> list[str]:
        """For the terminal, every character written out that could steer it; none where every answer could be read."""
        if not self.unread:
            return []
        told = f"no answer could be read in {counted(self.unread, 'response')}"
        told += f", of which {self.cut:,} were cut off at the token limit" if self.cut else ""
        if not self.commonest:
            return [told]
        whose = "the others end" if self.cut else "they end"
        return [f"{told}; {whose} most often in", *(f"  {count:>5,} x {line!r}" for line, count in self.commonest)]


def unread_endings(store: RolloutStore, result: EvaluationResult) -> Endings:
    """The commonest last lines of what the result's verifiers could not read. Both files are streamed, texts are not kept."""
    wanted = {problem.problem_id: 0 for problem in result.counts}
    for name, version in result.verifiers.items():
        for line in store.verdicts(name, version):
            verdict = line.verdict
            unread = verdict.value is VerdictValue.NO_ANSWER or Basis.read(verdict.basis).decided_by == _UNREAD
            if unread and line.sample < result.n and line.problem_id in wanted:
                wanted[line.problem_id] |= 1 << line.sample
    found: Counter[str] = Counter()
    unread_rollouts = cut = 0
    for rollout in store.rollouts() if any(wanted.values()) else ():
        if not wanted.get(rollout.problem_id, 0) >> rollout.sample & 1:
            continue
        unread_rollouts += 1
        if rollout.stop_reason is StopReason.LENGTH:
            cut += 1
            continue
        found[_ending(rollout.text)] += 1
        if len(found) > _MOST_KEPT:
            found = Counter(dict(found.most_common(_MOST_KEPT // 2)))
    return Endings(unread=unread_rollouts, cut=cut, commonest=tuple(found.most_common(_SHOWN)))


def _ending(text: str) -> str:
    line = " ".join(text.rstrip()[-8 * _WIDTH :].rpartition("\n")[2].split())
    return line if len(line) <= _WIDTH else f"…{line[1 - _WIDTH :]}"

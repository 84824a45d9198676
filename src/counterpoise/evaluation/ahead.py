"""Judging the responses of one block while the next is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout, StoredVerdict
from counterpoise.thought import judged_text
from counterpoise.types import Judging, Problem, StopReason

__all__ = ["Ahead", "asked_of"]


class Ahead:
    """Begins a block when it is drawn and stores its verdicts when the next one is; grading then finds little or nothing left to do.

    What is not stored, because the evaluation ended before, is judged when it goes on.

    Args:
        store: where the verdicts go.
        problems: what the responses answer.
        begin: begins a batch of the judge; None leaves all to the grading.
    """

    def __init__(
        self, store: RolloutStore, problems: Sequence[Problem], begin: Callable[[], Judging] | None = None
    ) -> None:
        self._store, self._begin = store, begin
        self._by_id = {problem.problem_id: problem for problem in problems}
        self._block: Sequence[StoredRollout] = ()
        self._judging: Judging | None = None

    def judge(self, block: Sequence[StoredRollout]) -> None:
        """Begin a block that was drawn, once the one before it is stored.

        Raises:
            StoreError: the verdicts of the block before cannot be written.
        """
        self.finish()
        if self._begin is not None and block:
            self._block, self._judging = block, self._begin()
            self._judging.add(range(len(block)), *asked_of(self._by_id, block))

    def finish(self) -> None:
        """Store the verdicts of the block that was begun, as soon as they are there."""
        if self._judging is not None:
            verdicts = self._judging.verdicts()
            self._judging = None
            self._store.append_verdicts(
                [
                    StoredVerdict(problem_id=rollout.problem_id, sample=rollout.sample, verdict=verdict)
                    for rollout, verdict in zip(self._block, verdicts, strict=True)
                ]
            )

    def close(self) -> None:
        """Nobody waits for the block that was begun."""
        if self._judging is not None:
            self._judging.close()


def asked_of(
    by_id: Mapping[str, Problem], rollouts: Sequence[StoredRollout]
) -> tuple[list[Problem], list[str], list[bool]]:
    """The problem of each stored response, what is judged of it, and whether it was cut off."""
    return (
        [by_id[rollout.problem_id] for rollout in rollouts],
        [judged_text(rollout.text, in_thought=rollout.in_thought) for rollout in rollouts],
        [rollout.stop_reason is StopReason.LENGTH for rollout in rollouts],
    )

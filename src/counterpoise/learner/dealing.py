"""Which rows share an optimiser step: mini-batches dealt over the rows of all processes by one permutation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counterpoise.learner.gradients import gather
from counterpoise.learner.settings import LearnerSettings

__all__ = ["Deck", "make_deck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """The cards of all processes, and which of them this process holds; a card is a group, or a row.

    Cards are numbered in the order of group ids, equal ids in the order of processes. That is the order in which one process would hold
    them if prompt i of a step goes to process `i % processes` (as the engine does), or if ids are those of the whole batch: the same
    permutation then makes the same mini-batches, whatever the number of processes.
    """

    cards: npt.NDArray[np.int64]
    """(N,) card of each of this process's rows."""
    piles: tuple[int, ...]
    """Cards of each pile; the cards of a pile are numbered on from the pile before, and each pile is dealt evenly by itself."""
    hands: int
    """Mini-batches of an epoch, the same on every process."""

    def deal(self, generator: np.random.Generator) -> list[npt.NDArray[np.int64]]:
        """Shuffle each pile and deal it round, one pile after the other.

        Args:
            generator: decides the order and must be in the same state on every process; one hand draws nothing from it.

        Returns:
            `hands` arrays of this process's row indices in increasing order, some possibly empty; over all processes, the cards of a pile
            in any two hands differ by one at most.
        """
        if self.hands == 1:
            return [np.arange(len(self.cards))]
        hand_of_card = np.empty(sum(self.piles), dtype=np.int64)
        first = 0
        for size in self.piles:
            hand_of_card[first + generator.permutation(size)] = (first + np.arange(size)) % self.hands
            first += size
        return [np.flatnonzero(hand_of_card[self.cards] == hand) for hand in range(self.hands)]


def make_deck(
    group_ids: npt.NDArray[np.int64],
    live: npt.NDArray[np.bool_],
    settings: LearnerSettings,
    *,
    process: int,
    processes: int,
) -> Deck:
    """The deck of a batch; every process must call it.

    With `minibatch_prompts` whole groups are dealt into `ceil(groups / minibatch_prompts)` hands. With `minibatch_rows` single rows are,
    into `ceil(live rows / minibatch_rows)`: first those that are trained on, then those that only count in denominators. Groups and
    rows are those of all processes. Without either there is one hand.

    Args:
        group_ids: (N,) group of each of this process's rows; a group's rows need not be neighbours, and a group lives on one process.
        live: (N,) rows that are trained on.
        settings: size of a mini-batch.
        process: rank of this one.
        processes: how many there are.
    """
    if settings.minibatch_rows is not None:
        everywhere = gather((group_ids, live), processes)
        ids = np.concatenate([own for own, _ in everywhere])
        ranks = np.repeat(np.arange(processes), [len(own) for own, _ in everywhere])
        counted = np.concatenate([own for _, own in everywhere])
        # lexsort is stable: rows of one group stay in their order
        numbers = _numbers(np.lexsort((ranks, ids, ~counted)))
        trained = int(counted.sum())
        hands = max(1, math.ceil(trained / settings.minibatch_rows))
        return Deck(cards=numbers[ranks == process], piles=(trained, len(ids) - trained), hands=hands)
    groups, group_of_row = np.unique(group_ids, return_inverse=True)
    if settings.minibatch_prompts is None:
        return Deck(cards=group_of_row, piles=(len(groups),), hands=1)
    held = gather(groups, processes)
    ids = np.concatenate(held)
    ranks = np.repeat(np.arange(processes), [len(own) for own in held])
    numbers = _numbers(np.lexsort((ranks, ids)))
    hands = max(1, math.ceil(len(ids) / settings.minibatch_prompts))
    return Deck(cards=numbers[ranks == process][group_of_row], piles=(len(ids),), hands=hands)


def _numbers(order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Place of each element in an order given as the elements that stand at each place."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places

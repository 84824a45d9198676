"""Which of verl's rows an update is made of, in mini-batches as verl deals them, and what each counts for in its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from counterpoise.engines.outside import row_shares
from counterpoise.types import Batch, Credit, Divide

__all__ = [
    "Updates",
    "dealt",
    "fitting_micro",
    "order_of",
    "plan_updates",
    "sent_rows",
    "shares_of",
    "tokens_of_updates",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """The updates of a step."""

    number: torch.Tensor
    """(B,) int64 mini-batch in whose denominator each of verl's rows is, -1 in none."""
    rows: list[int]
    """Rows that the actor gets, in the order that verl's dealing makes these mini-batches of."""
    size: int
    """Rows of each that the actor gets."""

    @property
    def sent(self) -> torch.Tensor:
        """(B,) int64 mini-batch that each row is sent with, -1 in none."""
        sent = torch.full_like(self.number, -1)
        sent[self.rows] = self.number[self.rows]
        return sent

    def __len__(self) -> int:
        return len(self.rows) // self.size if self.rows else 0


def plan_updates(
    trained: torch.Tensor,
    cost: Sequence[int],
    *,
    processes: int,
    minibatch: int,
    multiple: int,
    whole: bool,
    anew: bool,
) -> Updates:
    """What the actor gets of a step.

    Args:
        trained: (B,) bool, rows that have a gradient.
        cost: (B,) tokens of each row, prompt and padding included.
        processes: how many the rows are dealt to.
        minibatch: rows of an update as verl deals all B.
        multiple: rows of an update are a multiple of this.
        whole: all rows are sent.
        anew: mini-batches are made anew of the rows that have a gradient.
    """
    rows = len(trained)
    if anew:
        order = order_of(trained, processes=processes, minibatch=minibatch)
        number = torch.full((rows,), -1)
        number[order] = dealt(len(order), processes=processes, minibatch=minibatch)
        return Updates(number=number, rows=order.tolist(), size=minibatch)
    number = dealt(rows, processes=processes, minibatch=minibatch)
    if whole:
        return Updates(number=number, rows=list(range(rows)), size=minibatch)
    order, size = sent_rows(number, trained, cost, processes=processes, multiple=multiple)
    return Updates(number=number, rows=order.tolist(), size=size)


def dealt(rows: int, *, processes: int, minibatch: int) -> torch.Tensor:
    """(B,) int64: the mini-batch that verl puts each row of a batch into, unshuffled.

    Each process gets an equal run of rows, and cuts it into runs of `minibatch / processes`.
    """
    own, share = rows // processes, minibatch // processes
    return torch.arange(rows) % own // share


def fitting_micro(rows: int, most: int) -> int:
    """The largest number of rows, `most` or fewer, that cuts a process's `rows` into equal microbatches, as verl wants them."""
    return max(size for size in range(1, max(1, min(rows, most)) + 1) if rows % size == 0)


def order_of(kept: torch.Tensor, *, processes: int, minibatch: int) -> torch.Tensor:
    """(M,) int64 rows for an update of the (B,) `kept` ones alone: M is the next multiple of a mini-batch, none where none is kept.

    The first mini-batch holds the first `minibatch` kept rows, and so on; what the last one lacks is filled with rows without credit,
    which add nothing to a sum over tokens. The order is such that verl's dealing makes these mini-batches.
    """
    rows, others = (torch.nonzero(which).flatten() for which in (kept, ~kept))
    total = -(-len(rows) // minibatch) * minibatch
    filled = torch.cat([rows, others[: total - len(rows)]])
    return filled.reshape(-1, processes, minibatch // processes).transpose(0, 1).flatten()


def sent_rows(
    minibatch: torch.Tensor, trained: torch.Tensor, cost: Sequence[int], *, processes: int, multiple: int
) -> tuple[torch.Tensor, int]:
    """(M,) int64 rows of an update that leaves out what has no gradient, and the rows of each of its mini-batches, which are fewer.

    A mini-batch of (B,) `minibatch` without a (B,) bool `trained` row is left out as a whole: no optimiser step is taken for it. The
    others keep their trained rows and their order. verl wants equally many in each, in a `multiple` of them: they are filled up with the
    cheapest other rows of their own by (B,) `cost`, which have no credit and add nothing to a sum over tokens. The order is such that
    verl's dealing makes these mini-batches.
    """
    live = [number for number in sorted(set(minibatch.tolist())) if bool(trained[minibatch == number].any())]
    if not live:
        return torch.zeros(0, dtype=torch.int64), 0
    most = max(int(trained[minibatch == number].sum()) for number in live)
    size = -(-most // multiple) * multiple
    rows = []
    for number in live:
        own = torch.nonzero((minibatch == number) & trained).flatten().tolist()
        others = torch.nonzero((minibatch == number) & ~trained).flatten().tolist()
        rows.append(own + sorted(others, key=lambda row: cost[row])[: size - len(own)])
    return torch.tensor(rows).reshape(-1, processes, size // processes).transpose(0, 1).flatten(), size


def shares_of(
    divide: Divide, credit: Credit, batch: Batch, minibatch: torch.Tensor, counted: torch.Tensor
) -> torch.Tensor:
    """(N,) float64: what a token of each rollout counts for in the update that it is part of.

    (N,) `minibatch` says in which update each is, -1 in none; rows outside (N,) bool `counted` are in no denominator.
    """
    shares = torch.zeros(len(batch.lengths), dtype=torch.float64)
    for number in sorted(set(minibatch.tolist())):
        if number < 0:
            continue  # not trained on
        index = torch.nonzero(minibatch == number).flatten()
        shares[index] = row_shares(divide, credit.rows(index), batch.rows(index), counted[index])
    return shares


def tokens_of_updates(minibatch: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(B,) float64: the tokens of the update that each row is part of, which verl's `token-mean` divides a sum by; 0 in none.

    Args:
        minibatch: (B,) int64 update of each row, -1 in none.
        lengths: (B,) int64 tokens of each row that are trained on.
    """
    trained = minibatch >= 0
    sums = torch.zeros(int(minibatch.max()) + 2, dtype=torch.float64)
    sums.index_add_(0, minibatch[trained], lengths[trained].double())
    return torch.where(trained, sums[minibatch.clamp(min=0)], torch.zeros(1, dtype=torch.float64))

"""From verl's rows to a batch of ours and back: padding out, the outputs of a session as one rollout, mini-batches as verl deals them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoise.engines.outside import rewarded_batch, row_shares
from counterpoise.engines.verl.record import RECORD, verdict_of
from counterpoise.errors import UsageError
from counterpoise.types import Batch, Credit, Divide, Rollout, StopReason, Verdict

__all__ = [
    "Sessions",
    "dealt",
    "order_of",
    "recorded",
    "sent_rows",
    "session_batch",
    "sessions_of",
    "shares_of",
    "tokens_of_updates",
    "verdicts_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Which of verl's B rows belong to which of N rollouts; padding belongs to none."""

    of_row: torch.Tensor
    """(B,) int64 rollout of each row, -1 for padding."""
    final: torch.Tensor
    """(N,) int64 row of each rollout's last output, which has its verdict."""

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """(N, …) values of rollouts as (B, …) of rows, 0 for padding."""
        rows = values[self.of_row.clamp(min=0)]
        return torch.where((self.of_row >= 0).reshape(-1, *[1] * (values.ndim - 1)), rows, torch.zeros_like(rows))


def sessions_of(keys: Sequence[str], padding: Sequence[bool]) -> Sessions:
    """The rollouts behind verl's keys `{uid}_{session}_{output}`."""
    last: dict[str, tuple[int, int]] = {}
    names = [key.rsplit("_", 1) for key in keys]
    for row, ((name, output), padded) in enumerate(zip(names, padding, strict=True)):
        if not padded and (name not in last or last[name][0] < int(output)):
            last[name] = (int(output), row)
    places = {name: place for place, name in enumerate(last)}
    return Sessions(
        of_row=torch.tensor([-1 if padded else places[name] for (name, _), padded in zip(names, padding, strict=True)]),
        final=torch.tensor([row for _, row in last.values()], dtype=torch.int64),
    )


def session_batch(
    sessions: Sessions,
    *,
    scores: torch.Tensor,
    lengths: torch.Tensor,
    uids: Sequence[str],
    infos: Sequence[Mapping[str, Any]],
    parts: Sequence[str],
    kinds: Sequence[str] | None,
    surprisal: torch.Tensor | None,
    low: float,
    high: float,
    rollouts: Sequence[Rollout] = (),
) -> Batch:
    """The batch of N rollouts; all arguments are by row of verl's, `rollouts` by rollout.

    A row is unscored where its reward function said `scored: False` (`compute_score` does), and `parts` are read from what it gave
    beside the score.
    """
    final = sessions.final.tolist()
    own = [infos[row] for row in final]
    rewards = scores.double()[sessions.final]
    rewards[torch.tensor([not info.get("scored", True) for info in own], dtype=torch.bool)] = torch.nan
    groups = {uid: place for place, uid in enumerate(dict.fromkeys(uids[row] for row in final))}
    real = sessions.of_row >= 0

    def summed(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(final)).index_add(0, sessions.of_row[real], values[real])

    return rewarded_batch(
        rewards,
        low=low,
        high=high,
        group_ids=torch.tensor([groups[uids[row]] for row in final]),
        lengths=summed(lengths),
        task_types=None if kinds is None else [kinds[row] for row in final],
        parts={
            name: torch.tensor([_number(info.get(name)) for info in own], dtype=torch.float64)
            for name in parts
            if any(name in info for info in own)
        },
        surprisal=None if surprisal is None else summed(surprisal),
        rollouts=rollouts,
    )


def recorded(
    sessions: Sessions,
    *,
    responses: torch.Tensor,
    mask: torch.Tensor,
    log_probs: torch.Tensor,
    entropy: torch.Tensor | None,
    temperature: float,
    version: int,
) -> list[Rollout]:
    """The N rollouts as token weights read them, from (B, T) records of verl's rows: what the policy gave each token of its own.

    Raises:
        UsageError: a session has several outputs, whose tokens are in several rows.
    """
    if int((sessions.of_row >= 0).sum()) != len(sessions.final):
        raise UsageError(
            "credit.token_weights reads the tokens of a response as one row, and an agent loop gave several outputs for a session; "
            "leave it at none"
        )
    made = []
    for row in sessions.final.tolist():
        length = int(mask[row].nonzero().max()) + 1 if bool(mask[row].any()) else 0
        made.append(
            Rollout(
                problem_id=str(row),
                prompt_ids=np.zeros(0, dtype=np.int64),
                token_ids=responses[row, :length].numpy().astype(np.int64),
                mask=mask[row, :length].numpy().astype(np.bool_),
                log_probs=log_probs[row, :length].float().numpy(),
                text="",
                temperature=temperature,
                stop_reason=StopReason.EOS,
                policy_version=version,
                entropy=None if entropy is None else entropy[row, :length].float().numpy(),
            )
        )
    return made


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def dealt(rows: int, *, processes: int, minibatch: int) -> torch.Tensor:
    """(B,) int64: the mini-batch that verl puts each row of a batch into, unshuffled.

    Each process gets an equal run of rows, and cuts it into runs of `minibatch / processes`.
    """
    own, share = rows // processes, minibatch // processes
    return torch.arange(rows) % own // share


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


def verdicts_of(sessions: Sessions, infos: Sequence[Mapping[str, Any]]) -> list[Verdict] | None:
    """(N,) verdicts of our verifiers, from what `compute_score` gave beside the score; None where another function made the rewards."""
    found = [infos[row].get(RECORD) for row in sessions.final.tolist()]
    if not found or not all(isinstance(one, str) for one in found):
        return None
    return [verdict_of(str(one)) for one in found]

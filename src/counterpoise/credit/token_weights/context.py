"""What token weights read of a batch: the sampler's records as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from counterpoise.credit.token_weights.base import TokenContext
from counterpoise.lazy import np, torch
from counterpoise.types import Batch
from counterpoise.world import World

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["token_context"]


def token_context(batch: Batch, world: World) -> TokenContext:
    """(N, T) records of the batch's rollouts; an entropy that any of them lacks is None."""
    rollouts = batch.rollouts
    entropies = [rollout.entropy for rollout in rollouts]
    slopes = [rollout.entropy_slope for rollout in rollouts]
    return TokenContext(
        log_probs=_table([rollout.log_probs for rollout in rollouts], np.float32),
        mask=_table([rollout.mask for rollout in rollouts], np.bool_),
        token_ids=_table([rollout.token_ids for rollout in rollouts], np.int64),
        group_ids=batch.group_ids,
        correct=batch.correct,
        scored=batch.scored,
        entropy=_recorded(entropies),
        entropy_slope=_recorded(slopes),
        world=world,
    )


def _recorded(rows: Sequence[npt.NDArray[np.float32] | None]) -> torch.Tensor | None:
    """None where any rollout lacks it: a weight would otherwise take padding for a record."""
    known = [row for row in rows if row is not None]
    return _table(known, np.float32) if len(known) == len(rows) else None


def _table(rows: Sequence[npt.NDArray[np.generic]], dtype: npt.DTypeLike) -> torch.Tensor:
    """(N, T) rows padded with zeros on the right."""
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0)), dtype=dtype)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return torch.from_numpy(table)

"""Token weights in a run: what the sampler recorded, as the tensors that they read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from accelerate.utils import gather_object

from counterpoise.credit import TokenContext, TokenWeight, TokenWeights, Unweighted
from counterpoise.pipeline import Outcome

__all__ = ["TokenWeighing"]


class TokenWeighing:
    """The token weights of a run; `none` leaves credit by rollout, reads no token and has no columns."""

    def __init__(self, weight: TokenWeight) -> None:
        self._weight = None if isinstance(weight, Unweighted) else weight

    @property
    def needs_entropy(self) -> bool:
        """Whether the sampler has to record entropies."""
        return self._weight is not None and self._weight.needs_entropy

    def of(self, outcome: Outcome) -> TokenWeights | None:
        """The weights of a step's rollouts, for both lambdas alike; all processes must ask.

        Raises:
            UsageError: they read an entropy that the sampler did not record.
        """
        return None if self._weight is None else self._weight(_context(outcome))


def _context(outcome: Outcome) -> TokenContext:
    rollouts = outcome.rollouts
    entropies = [rollout.entropy for rollout in rollouts]
    slopes = [rollout.entropy_slope for rollout in rollouts]
    return TokenContext(
        log_probs=_table([rollout.log_probs for rollout in rollouts], np.float32),
        mask=_table([rollout.mask for rollout in rollouts], np.bool_),
        token_ids=_table([rollout.token_ids for rollout in rollouts], np.int64),
        group_ids=outcome.group_ids,
        correct=outcome.correct,
        scored=outcome.scored,
        entropy=_recorded(entropies),
        entropy_slope=_recorded(slopes),
        everywhere=gather_object,
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

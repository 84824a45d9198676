"""A batch as the learner sees it: rollouts with their credit, checked against each other at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from counterpoise.errors import UsageError
from counterpoise.types import Credit, Rollout

__all__ = ["CreditedRows", "common_temperature", "credited_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditedRows:
    """One process's rows: N rollouts, the longest response of T tokens."""

    rollouts: Sequence[Rollout]
    """N of them."""
    credit: Credit
    """(N,) or (N, >= T) float32 on the learner's device."""
    scored: torch.Tensor
    """(N,) bool."""
    lengths: torch.Tensor
    """(N,) int64 response tokens that may be trained on."""
    live: npt.NDArray[np.bool_]
    """(N,) rows that go through the model: chosen by the caller, or with credit; with a verdict and at least one token."""
    temperature: float
    """What all of them were drawn at; greedy rollouts count as 1, at which their log-probabilities are recorded."""
    old: torch.Tensor | None = None
    """(N, T) log-probabilities of the learner before the first step, where they were asked for."""
    reference: torch.Tensor | None = None
    """(N, T) log-probabilities of the reference policy, where they are needed."""
    kl_weights: torch.Tensor | None = None
    """(N,) float32 weights of the rows' KL terms, where they are not all 1."""


def credited_rows(
    rollouts: Sequence[Rollout],
    credit: Credit,
    scored: torch.Tensor,
    group_ids: npt.NDArray[np.int64],
    device: torch.device,
    *,
    trained: torch.Tensor | None = None,
    kl_weights: torch.Tensor | None = None,
) -> CreditedRows:
    """Check that the parts of a batch fit each other and move its tensors to `device`.

    Rows in `trained` (N,) bool go through a forward pass; without it, those that carry credit. `kl_weights` (N,) weigh their KL terms.

    Raises:
        UsageError: row numbers differ, credit covers too few tokens, an unscored row has credit, or temperatures differ.
    """
    sizes = {
        "credit.plus": len(credit.plus),
        "credit.minus": len(credit.minus),
        "scored": len(scored),
        "group_ids": len(group_ids),
        "trained": len(rollouts) if trained is None else len(trained),
        "kl_weights": len(rollouts) if kl_weights is None else len(kl_weights),
    }
    for name, size in sizes.items():
        if size != len(rollouts):
            raise UsageError(f"{name} has {size} rows and there are {len(rollouts)} rollouts; give one row for each")
    span = max((len(rollout.token_ids) for rollout in rollouts), default=0)
    if credit.plus.ndim == 2 and credit.plus.shape[1] < span:
        raise UsageError(
            f"credit covers {credit.plus.shape[1]} tokens and the longest response has {span}; pad it with zeros"
        )
    signed = credit.nonzero_rows.cpu()
    if bool((signed & ~scored.cpu()).any()):
        raise UsageError("a rollout without a verdict carries credit; unscored rows must be zero in plus and minus")
    temperature = common_temperature(rollouts)
    lengths = torch.tensor([int(rollout.mask.sum()) for rollout in rollouts], dtype=torch.int64)
    return CreditedRows(
        rollouts=rollouts,
        credit=Credit(plus=credit.plus.to(device).float(), minus=credit.minus.to(device).float()),
        scored=scored.to(device),
        lengths=lengths.to(device),
        live=((signed if trained is None else trained.cpu() & scored.cpu()) & (lengths > 0)).numpy(),
        temperature=temperature,
        kl_weights=None if kl_weights is None else kl_weights.to(device).float(),
    )


def common_temperature(rollouts: Sequence[Rollout]) -> float:
    """What all of them were drawn at; greedy rollouts count as 1, at which their log-probabilities are recorded.

    Raises:
        UsageError: there are several temperatures.
    """
    temperatures = sorted({rollout.temperature or 1.0 for rollout in rollouts})
    if len(temperatures) > 1:
        raise UsageError(f"the rollouts of one batch were drawn at temperatures {temperatures}; use one for all")
    return temperatures[0] if temperatures else 1.0

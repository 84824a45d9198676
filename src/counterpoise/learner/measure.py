"""Measure columns during the training passes, without an extra forward pass."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch

from counterpoise.learner.forward import ResponseLogProbs
from counterpoise.learner.report import UpdateSums
from counterpoise.types import Credit, Sum

__all__ = ["Observe", "measure"]


class Observe(Protocol):
    """Called with every micro-batch that is trained on; what it makes of it is its own business (`diagnostics.trained`)."""

    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        entropy: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
    ) -> None:
        """(B, T) log-probabilities, entropies and bool mask without gradient; (B,) or (B, T) credit."""
        ...


def measure(
    out: ResponseLogProbs,
    old: torch.Tensor,
    credit: Credit,
    sums: UpdateSums,
    *,
    observe: Observe | None,
    with_gap: bool,
) -> None:
    """Add the entropy by sign and, when asked, the sampler's gap to the sums, in one transfer from the device; show `observe` the rest."""
    plus, minus = (sign > 0 if sign.ndim == 2 else (sign > 0)[:, None] for sign in (credit.plus, credit.minus))
    entropy, log_probs = out.entropy.detach(), out.log_probs.detach()
    gap = (out.sampler_log_probs - log_probs).abs()
    chosen = (out.mask, out.mask & plus, out.mask & minus)
    values_on_device = (
        [(entropy * mask).sum() for mask in chosen] + [mask.sum() for mask in chosen] + [gap.sum(), gap.max()]
    )
    values = torch.stack([value.double() for value in values_on_device]).tolist()
    for name, total, count in zip(("entropy", "entropy_plus", "entropy_minus"), values[:3], values[3:6], strict=True):
        sums.add({name: Sum(total=total, count=count)})
    sums.pushed += np.array(values[4:6], dtype=np.int64)
    if with_gap:
        sums.add({"sampler_gap": Sum(total=values[6], count=values[3])})
        sums.gap_max = values[7] if math.isnan(sums.gap_max) else max(sums.gap_max, values[7])
    if observe is not None:
        observe(
            log_probs=log_probs,
            old_log_probs=old,
            entropy=entropy,
            plus=credit.plus,
            minus=credit.minus,
            mask=out.mask,
        )

"""How strongly each prompt is held to the base."""

from __future__ import annotations

from counterpoise.credit.groups import group_statistics
from counterpoise.lazy import torch
from counterpoise.types import Batch

__all__ = ["anchor_weights"]


def anchor_weights(batch: Batch, focus: float) -> torch.Tensor:
    """(N,) float32 weight of each rollout's KL term, `(1 - p)^focus` with p its group's share right among the scored.

    `focus = 0` weighs all alike. Above it nothing holds a prompt with p = 1 and all of `loss.kl` one with p = 0; as it grows only groups
    without a success stay held. The shape is `focal` emphasis' (2602.06717), on the leash instead of the credit. Unscored rollouts, which
    are not trained on, count nowhere; a group of them alone has 1.

    Args:
        batch: the rollouts of a step, groups whole.
        focus: exponent >= 0.
    """
    found = group_statistics(batch.correct, batch.scored, batch.group_ids)
    return (1.0 - found.c / found.n.clamp(min=1.0)).pow(focus).float()

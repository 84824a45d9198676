"""A fingerprint of weights that a run reads again whenever it goes on: the base under its adapters, or the reference of its KL."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["frozen_base"]

_VALUES = 512
"""Values of each tensor that are looked at: another training of a model moves all of them."""


def frozen_base(policy: Any, *references: nn.Module | None) -> str | None:
    """SHA-256 of the weights beside the trained ones: names, shapes and evenly spaced values of each tensor, in float32.

    Args:
        policy: the model that is trained; under adapters its own frozen weights are the base.
        references: models that do not move, None where there is none; the first one counts, since all are the base.

    Returns:
        The fingerprint; None where no weight is read again, because the policy is trained whole and nothing compares with its base.
    """
    model = next((reference for reference in references if reference is not None), None)
    chosen = policy if model is None else model
    frozen = [
        (name, weight)
        for name, weight in sorted(chosen.named_parameters())
        if model is not None or not weight.requires_grad
    ]
    if not frozen:
        return None
    digest = hashlib.sha256()
    for name, weight in frozen:
        flat = weight.detach().reshape(-1)
        digest.update(f"{name} {tuple(weight.shape)}\n".encode())
        digest.update(flat[:: max(1, len(flat) // _VALUES)].float().cpu().numpy().tobytes())
    return digest.hexdigest()

"""Which way a model's tokens are decoded here: by its own modules, or by fused operators with batched or with compiled attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from counterpoise.compiler import Compiled, asked_for
from counterpoise.errors import UsageError
from counterpoise.rollouts.decoding import proven

__all__ = ["DecodingWay", "find_way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingWay:
    """How each token after a prompt is computed."""

    flat: bool
    """By fused operators (`rollouts.flat`), else by the model's own modules."""
    compiled: bool = False
    """Attention, norms and gates by operators compiled here, else by batched products."""
    why: str = ""
    """Why nothing is compiled, where it was asked for."""

    def __str__(self) -> str:
        """In words that follow "decoded by"."""
        if not self.flat:
            return "its own modules"
        if self.compiled:
            return "compiled operators"
        return f"batched products ({self.why})" if self.why else "batched products"


def find_way(model: PreTrainedModel, device: torch.device, *, flat: bool, compiled: Compiled) -> DecodingWay:
    """The fastest way that is asked for and proven to give the logits of the model's modules; compiles what it needs, once in a process.

    Args:
        model: the policy, switched to inference.
        device: where it is.
        flat: whether fused operators may be taken.
        compiled: whether those may be compiled.

    Raises:
        UsageError: `compiled` is true, and there is no C++ compiler, or it refuses.
    """
    if not flat:
        return DecodingWay(flat=False)
    why = ""
    if compiled:
        try:
            found = proven(model, device, compiled=True)
            if found is not None and found.operators is not None:
                return DecodingWay(flat=True, compiled=True)
            why = "the model's sizes are no multiples of 8" if found is not None else "compiled ones gave other logits"
        except UsageError as error:
            if compiled is True:
                raise asked_for(error, "rollout.compiled_decode") from error
            why = str(error)
    return DecodingWay(flat=proven(model, device) is not None, why=why)

"""AdamW over the trainable parameters, whose float32 values are the master weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from counterpoise.errors import UsageError
from counterpoise.learner.settings import LearnerSettings

__all__ = ["make_optimiser", "trainable_parameters"]


def trainable_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that require a gradient, each once (tied embeddings are one), in the model's order.

    Raises:
        UsageError: there are none, or one is not float32 (steps of 1e-6 vanish when they are rounded to 16 bits).
    """
    found = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not found:
        raise UsageError("no parameter of the model requires a gradient; unfreeze it, or add a LoRA adapter")
    for name, parameter in found:
        if parameter.dtype != torch.float32:
            raise UsageError(
                f"trainable parameter '{name}' is {parameter.dtype}, in which small steps vanish; load the model in "
                "torch.float32 and set the mixed precision to bf16 to compute in 16 bits"
            )
    return [parameter for _, parameter in found]


def make_optimiser(parameters: Sequence[nn.Parameter], settings: LearnerSettings) -> torch.optim.AdamW:
    """Fused AdamW (one call for all parameters); the learning rate is set before every step from the schedule."""
    return torch.optim.AdamW(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        fused=all(parameter.device.type in ("cpu", "cuda") for parameter in parameters),
    )

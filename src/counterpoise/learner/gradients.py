"""Gradients: summed over processes, measured, clipped, taken apart by sign.

Processes sum explicitly after their local accumulation instead of through a data-parallel wrapper, which would wait for ever
when one process has fewer micro-batches than another, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed, nn

__all__ = ["broadcast_parameters", "clip_gradients", "flat_gradient", "gather", "sign_statistics", "sum_gradients"]

_BUCKET_ELEMENTS = 2**24
"""Elements summed in one call: 64 MiB of float32 beside the gradients themselves."""

T = TypeVar("T")


def gather(value: T, processes: int) -> list[T]:
    """`value` of every process, in rank order, on every process.

    A `World` gathers lists and knows no tensors; what is beside `all_reduce` goes the same way as the gradients, in the process group that
    the learner's accelerator has begun.
    """
    if processes == 1:
        return [value]
    values: list[T | None] = [None] * processes
    distributed.all_gather_object(values, value)
    return [item for item in values if item is not None]


def broadcast_parameters(parameters: Sequence[nn.Parameter], processes: int) -> None:
    """Give every process the first one's parameters: freshly drawn ones (LoRA) would differ and never meet again."""
    if processes > 1:
        for parameter in parameters:
            distributed.broadcast(parameter.data, src=0)


def sum_gradients(parameters: Sequence[nn.Parameter], processes: int) -> None:
    """Replace each gradient by its sum over processes.

    A parameter that no process used keeps the gradient None, so that weight decay leaves it alone exactly as in a run with
    one process; one that some process used counts as zero where it was not.
    """
    if processes == 1 or not parameters:
        return
    used = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=parameters[0].device)
    distributed.all_reduce(used)
    bucket: list[torch.Tensor] = []
    size = 0
    for parameter, users in zip(parameters, used.tolist(), strict=True):
        if not users:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if bucket and size + parameter.numel() > _BUCKET_ELEMENTS:
            _sum_bucket(bucket)
            bucket, size = [], 0
        bucket.append(parameter.grad)
        size += parameter.numel()
    if bucket:
        _sum_bucket(bucket)


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float | None) -> torch.Tensor:
    """2-norm of the whole gradient before clipping; with a limit, gradients are scaled by `min(1, limit / (norm + 1e-6))`."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit is not None:
        nn.utils.clip_grads_with_norm_(list(parameters), limit, norm)
    return norm


def flat_gradient(parameters: Sequence[nn.Parameter]) -> torch.Tensor:
    """(number of trainable numbers,) copy of the gradient; zero where a parameter has none."""
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).detach().flatten().float() for p in parameters]
    )


def sign_statistics(plus: torch.Tensor, minus: torch.Tensor) -> tuple[float, float, float]:
    """2-norms of two flat gradients and the cosine between them; the cosine is NaN when one of them vanishes."""
    norms = (plus.norm().item(), minus.norm().item())
    product = norms[0] * norms[1]
    return *norms, plus.dot(minus).item() / product if product else float("nan")


def _sum_bucket(gradients: list[torch.Tensor]) -> None:
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, total in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))

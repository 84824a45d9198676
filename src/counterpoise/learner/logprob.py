"""Log-probability and entropy of sampled tokens from hidden states, never holding more than one chunk of logits.

A response of 1,000 tokens over a vocabulary of 150,000 has 600 MB of float32 logits, and autograd would keep several copies
for each row of a batch. Here a chunk of rows goes through the head at a time; the backward pass computes it again.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from counterpoise.learner.products import times

__all__ = ["automatic_chunk", "statistics_from_hidden", "statistics_from_logits"]

_CHUNK_ELEMENTS = 2**25
"""Logits in one chunk when nobody chose: 128 MiB of float32."""


def automatic_chunk(vocabulary: int) -> int:
    """Rows whose float32 logits take 128 MiB, one at least."""
    return max(1, _CHUNK_ELEMENTS // vocabulary)


def statistics_from_hidden(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    *,
    temperature: float,
    chunk_tokens: int,
    with_entropy: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`log softmax(z)[target]` and `H = -sum_v p_v log p_v` with `z = (hidden @ weight.T + bias) / temperature`, in nats.

    The matrix product runs in autocast's type where autocast is on and in the weight's type elsewhere; everything after
    it in float32. Backward recomputes each chunk: `dL/dz_j = g (1[j = target] - p_j) - h p_j (log p_j + H)` with `g`, `h`
    the gradients that arrive at the log-probability and at the entropy.

    Args:
        hidden: (M, H) states that predict the targets.
        weight: (V, H) of the head.
        bias: (V,) or None.
        targets: (M,) int64.
        temperature: > 0.
        chunk_tokens: rows whose logits exist at once.
        with_entropy: let gradients flow through the entropy; without it the entropy is a mere number.

    Returns:
        (M,) float32 log-probabilities and (M,) float32 entropies.
    """
    device = hidden.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    result: tuple[torch.Tensor, torch.Tensor] = _HeadStatistics.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets, temperature, chunk_tokens, with_entropy, kind
    )
    return result


def statistics_from_logits(
    logits: torch.Tensor, targets: torch.Tensor, *, temperature: float, with_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same two numbers from (M, V) logits that already exist, for models whose head is more than a matrix."""
    log_p = torch.log_softmax(logits.float() / temperature, dim=-1)
    log_probs = log_p.gather(1, targets[:, None]).squeeze(1)
    with torch.set_grad_enabled(with_entropy and torch.is_grad_enabled()):
        entropy = -(log_p.exp() * log_p).sum(dim=-1)
    return log_probs, entropy


class _HeadStatistics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        chunk_tokens: int,
        with_entropy: bool,
        kind: torch.dtype,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = hidden.shape[0]
        log_probs = hidden.new_empty(rows, dtype=torch.float32)
        entropy = torch.empty_like(log_probs)
        log_z = torch.empty_like(log_probs)
        cast = _cast(weight, bias, kind)
        for start in range(0, rows, chunk_tokens):
            part = slice(start, start + chunk_tokens)
            z = _logits(hidden[part], *cast, temperature)
            picked = z.gather(1, targets[part, None]).squeeze(1)
            top = z.amax(dim=-1)
            z -= top[:, None]
            e = z.exp()
            mass = e.sum(dim=-1)
            log_mass = mass.log()
            entropy[part] = log_mass - e.mul_(z).sum(dim=-1) / mass
            log_z[part] = top + log_mass
            log_probs[part] = picked - top - log_mass
        ctx.save_for_backward(hidden, weight, bias, targets, log_z, entropy if with_entropy else None)
        ctx.settings = (temperature, chunk_tokens, kind)
        if not with_entropy:
            ctx.mark_non_differentiable(entropy)
        return log_probs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_probs: torch.Tensor, grad_entropy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, log_z, entropy = ctx.saved_tensors
        temperature, chunk_tokens, kind = ctx.settings
        to_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        to_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[2] else None
        cast = _cast(weight, bias, kind)
        for start in range(0, hidden.shape[0], chunk_tokens):
            part = slice(start, start + chunk_tokens)
            log_p = _logits(hidden[part], *cast, temperature).sub_(log_z[part, None])
            g = grad_log_probs[part, None]
            if entropy is None:
                to_z = log_p.exp_().mul_(-g)
            else:
                p = log_p.exp()
                to_z = log_p.add_(entropy[part, None]).mul_(grad_entropy[part, None]).add_(g).mul_(p).neg_()
            to_z.scatter_add_(1, targets[part, None], g)
            to_z = to_z.div_(temperature).to(kind)
            if to_hidden is not None:
                to_hidden[part] = times(to_z, cast[0].T, rows=len(to_z))
            if to_weight is not None:
                to_weight += times(to_z.T, hidden[part].to(kind).T, rows=len(to_z))
            if to_bias is not None:
                to_bias += to_z.sum(dim=0)
        return to_hidden, to_weight, to_bias, None, None, None, None, None


def _cast(
    weight: torch.Tensor, bias: torch.Tensor | None, kind: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor | None]:
    return weight.to(kind), None if bias is None else bias.to(kind)


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float) -> torch.Tensor:
    """(rows, V) fresh float32 logits over the temperature, safe to overwrite."""
    with torch.autocast(hidden.device.type, enabled=False):
        hidden = hidden.to(weight.dtype)
        z = times(hidden, weight, rows=len(hidden)) if bias is None else F.linear(hidden, weight, bias)
    z = z.float()
    return z.div_(temperature) if temperature != 1.0 else z

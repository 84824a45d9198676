"""What every surrogate starts from and ends with: masked log-ratios, broadcast credit, one metrics transfer."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import LossOutput, Sum

__all__ = ["MAX_LOG_RATIO", "Tokens", "finish", "prepare"]

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +-20 before `exp` (a ratio of 4.9e8), as verl does: an infinite ratio would make NaN gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Checked inputs of a surrogate, zero outside the mask. B rows, T response tokens."""

    log_probs: torch.Tensor
    """(B, T) current log-probabilities, with gradient."""
    log_ratio: torch.Tensor
    """(B, T) `log pi - log pi_old`, with gradient, clamped."""
    plus: torch.Tensor
    """(B, T) weight up."""
    minus: torch.Tensor
    """(B, T) weight down."""
    mask: torch.Tensor
    """(B, T) bool tokens that count."""
    lengths: torch.Tensor
    """(B,) int64 tokens of each row."""


def prepare(
    log_probs: torch.Tensor, old_log_probs: torch.Tensor, plus: torch.Tensor, minus: torch.Tensor, mask: torch.Tensor
) -> Tokens:
    """Check shapes, broadcast (B,) credit to tokens, and zero everything outside the mask (values there may be anything).

    Raises:
        UsageError: shapes or dtypes do not fit.
    """
    shape = log_probs.shape
    if log_probs.ndim != 2:
        raise UsageError(f"log_probs has shape {tuple(shape)}; expected (B, T)")
    if mask.dtype != torch.bool:
        raise UsageError(f"mask has dtype {mask.dtype}; expected torch.bool")
    for name, tensor in (("old_log_probs", old_log_probs), ("mask", mask)):
        if tensor.shape != shape:
            raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(shape)} like log_probs")
    for name, tensor in (("plus", plus), ("minus", minus)):
        if tensor.shape not in (shape, shape[:1]):
            raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(shape[:1])} or {tuple(shape)}")
    current = torch.where(mask, log_probs, 0.0)
    old = torch.where(mask, old_log_probs.detach(), 0.0)
    return Tokens(
        log_probs=current,
        log_ratio=(current - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO),
        plus=_per_token(plus, mask),
        minus=_per_token(minus, mask),
        mask=mask,
        lengths=mask.sum(dim=1),
    )


def finish(
    tokens: Tokens,
    plus_objective: torch.Tensor,
    minus_objective: torch.Tensor,
    *,
    ratio: torch.Tensor,
    clipped_plus: torch.Tensor | None = None,
    clipped_minus: torch.Tensor | None = None,
) -> LossOutput:
    """`loss_t = -(plus_t * plus_objective_t) + minus_t * minus_objective_t`, summed over each row, and its metrics.

    Being linear in `plus` and `minus`, every surrogate decomposes: loss(credit) = loss(plus only) + loss(minus only). Metrics,
    all of them computed without gradient and brought to the host in one transfer: `loss_plus`, `loss_minus` (undivided sums over
    the tokens of that sign), `ratio_plus`, `ratio_minus`, `clipped_plus`, `clipped_minus` (share of the sign's tokens whose
    gradient or weight the clip changed; a surrogate without clip reports 0), `approx_kl` (k3 estimate of
    KL(pi_old || pi): `R - 1 - log R` per token).

    Args:
        tokens: from `prepare`.
        plus_objective: (B, T) what a unit of `plus` maximises.
        minus_objective: (B, T) what a unit of `minus` minimises.
        ratio: (B, T) importance ratio that is reported.
        clipped_plus: (B, T) bool, None for a surrogate without clip on positives.
        clipped_minus: (B, T) bool, None for a surrogate without clip on negatives.
    """
    plus_loss = -tokens.plus * plus_objective
    minus_loss = tokens.minus * minus_objective
    row_sums = (plus_loss + minus_loss).sum(dim=1)
    with torch.no_grad():
        up, down = tokens.plus > 0, tokens.minus > 0
        log_ratio = tokens.log_ratio.detach()
        zero = torch.zeros((), dtype=torch.float64, device=row_sums.device)
        sums = [
            plus_loss.sum(dtype=torch.float64),
            minus_loss.sum(dtype=torch.float64),
            torch.where(up, ratio, 0.0).sum(dtype=torch.float64),
            torch.where(down, ratio, 0.0).sum(dtype=torch.float64),
            zero if clipped_plus is None else (clipped_plus & up).sum(dtype=torch.float64),
            zero if clipped_minus is None else (clipped_minus & down).sum(dtype=torch.float64),
            (torch.expm1(log_ratio) - log_ratio).sum(dtype=torch.float64),
            up.sum(dtype=torch.float64),
            down.sum(dtype=torch.float64),
            tokens.lengths.sum(dtype=torch.float64),
        ]
        plus_sum, minus_sum, ratio_up, ratio_down, clip_up, clip_down, kl, ups, downs, count = torch.stack(
            sums
        ).tolist()
    metrics = {
        "loss_plus": Sum(total=plus_sum, count=ups),
        "loss_minus": Sum(total=minus_sum, count=downs),
        "ratio_plus": Sum(total=ratio_up, count=ups),
        "ratio_minus": Sum(total=ratio_down, count=downs),
        "clipped_plus": Sum(total=clip_up, count=ups),
        "clipped_minus": Sum(total=clip_down, count=downs),
        "approx_kl": Sum(total=kl, count=count),
    }
    return LossOutput(row_sums=row_sums, lengths=tokens.lengths, metrics=metrics)


def _per_token(credit: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    spread = credit if credit.ndim == 2 else credit[:, None]
    return torch.where(mask, spread.detach(), 0.0)

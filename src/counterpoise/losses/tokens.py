"""Steps that every surrogate shares: masked log-ratios, broadcast credit, undivided row sums, one metrics transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import LossOutput, Sum

__all__ = ["MAX_LOG_RATIO", "Objective", "Surrogate", "SurrogateLoss", "Tokens"]

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +-20 before `exp` (a ratio of 4.9e8), as verl does: an infinite ratio would make NaN gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Checked inputs of a surrogate, zero outside the mask. B rows, T response tokens."""

    log_probs: torch.Tensor
    """(B, T) current log-probabilities, with gradient."""
    old_log_probs: torch.Tensor
    """(B, T) the sampling policy's."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What a surrogate makes of the tokens; everything (B, T)."""

    plus: torch.Tensor
    """What a unit of `plus` maximises, with gradient."""
    minus: torch.Tensor
    """What a unit of `minus` minimises, with gradient."""
    ratio: torch.Tensor
    """Importance ratio that is reported."""
    clipped_plus: torch.Tensor | None = None
    """Bool, where a clip changed the gradient or weight of `plus`; None for a surrogate without one."""
    clipped_minus: torch.Tensor | None = None
    """The same of `minus`."""


class Surrogate(Protocol):
    """What one loss differs from another in: the objective of each sign, token by token."""

    def __call__(self, tokens: Tokens) -> Objective:
        """From checked tokens to the two objectives."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateLoss:
    """`loss_t = -(plus_t * plus_objective_t) + minus_t * minus_objective_t`, summed over each row, and its metrics.

    Being linear in `plus` and `minus`, every surrogate decomposes: loss(credit) = loss(plus only) + loss(minus only). Metrics,
    all of them computed without gradient and brought to the host in one transfer: `loss_plus`, `loss_minus` (undivided sums over
    the tokens of that sign), `ratio_plus`, `ratio_minus`, `clipped_plus`, `clipped_minus` (share of the sign's tokens whose
    gradient or weight the clip changed; a surrogate without clip reports 0), `approx_kl` (k3 estimate of
    KL(pi_old || pi): `R - 1 - log R` per token).
    """

    surrogate: Surrogate
    """The objective of each sign."""

    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
        reference_log_probs: torch.Tensor | None = None,
        kl_weights: torch.Tensor | None = None,
        entropy: torch.Tensor | None = None,
    ) -> LossOutput:
        """See `types.Loss`; neither a reference nor entropies are read (`terms.WithTerms` does).

        Raises:
            UsageError: shapes or dtypes do not fit.
        """
        tokens = _prepare(log_probs, old_log_probs, plus, minus, mask)
        objective = self.surrogate(tokens)
        plus_loss = -tokens.plus * objective.plus
        minus_loss = tokens.minus * objective.minus
        row_sums = (plus_loss + minus_loss).sum(dim=1)
        return LossOutput(
            row_sums=row_sums,
            lengths=tokens.lengths,
            metrics=_metrics(tokens, objective, plus_loss.detach(), minus_loss.detach()),
        )


def _prepare(
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
        old_log_probs=old,
        log_ratio=(current - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO),
        plus=_per_token(plus, mask),
        minus=_per_token(minus, mask),
        mask=mask,
        lengths=mask.sum(dim=1),
    )


def _metrics(tokens: Tokens, objective: Objective, plus_loss: torch.Tensor, minus_loss: torch.Tensor) -> dict[str, Sum]:
    """The surrogate's metrics from detached sums, one transfer to the host."""
    up, down = tokens.plus > 0, tokens.minus > 0
    log_ratio = tokens.log_ratio.detach()
    zero = torch.zeros((), dtype=torch.float64, device=plus_loss.device)
    sums = [
        plus_loss.sum(dtype=torch.float64),
        minus_loss.sum(dtype=torch.float64),
        torch.where(up, objective.ratio, 0.0).sum(dtype=torch.float64),
        torch.where(down, objective.ratio, 0.0).sum(dtype=torch.float64),
        zero if objective.clipped_plus is None else (objective.clipped_plus & up).sum(dtype=torch.float64),
        zero if objective.clipped_minus is None else (objective.clipped_minus & down).sum(dtype=torch.float64),
        (torch.expm1(log_ratio) - log_ratio).sum(dtype=torch.float64),
        up.sum(dtype=torch.float64),
        down.sum(dtype=torch.float64),
        tokens.lengths.sum(dtype=torch.float64),
    ]
    plus_sum, minus_sum, ratio_up, ratio_down, clip_up, clip_down, kl, ups, downs, count = torch.stack(sums).tolist()
    return {
        "loss_plus": Sum(total=plus_sum, count=ups),
        "loss_minus": Sum(total=minus_sum, count=downs),
        "ratio_plus": Sum(total=ratio_up, count=ups),
        "ratio_minus": Sum(total=ratio_down, count=downs),
        "clipped_plus": Sum(total=clip_up, count=ups),
        "clipped_minus": Sum(total=clip_down, count=downs),
        "approx_kl": Sum(total=kl, count=count),
    }


def _per_token(credit: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    spread = credit if credit.ndim == 2 else credit[:, None]
    return torch.where(mask, spread.detach(), 0.0)

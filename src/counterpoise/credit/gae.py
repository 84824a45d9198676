"""Generalised advantages of tokens, and the statistics around them: pure functions of (N, T) tensors in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.world import ALONE, World, add

__all__ = ["Moments", "explained_variance", "gae", "moments", "token_rewards", "whiten"]


def token_rewards(
    rewards: torch.Tensor, mask: torch.Tensor, *, kl: float = 0.0, log_ratio: torch.Tensor | None = None
) -> torch.Tensor:
    """(N, T) float64: the rollout's reward at its last token, and `-kl * log_ratio` at every token.

    Args:
        rewards: (N,) floats; NaN (unscored) counts as 0.
        mask: (N, T) bool, tokens the policy chose; a row without any gets nothing.
        kl: coefficient >= 0.
        log_ratio: (N, T) `log pi_old - log pi_ref`; needed with `kl`.

    Raises:
        UsageError: shapes do not fit, or `kl` has no `log_ratio`.
    """
    _check(mask, rewards=rewards[:, None].expand(mask.shape) if rewards.shape == mask.shape[:1] else rewards)
    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
    placed = torch.where(last, rewards.double().nan_to_num()[:, None], 0.0)
    if kl == 0.0:
        return placed
    if log_ratio is None:
        raise UsageError("token_rewards got a coefficient and no log_ratio; pass log pi_old - log pi_ref")
    _check(mask, log_ratio=log_ratio)
    return placed - kl * torch.where(mask, log_ratio.double(), 0.0)


def gae(
    rewards: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor,
    *,
    gamma: float,
    lam: float,
    after: torch.Tensor | None = None,
) -> torch.Tensor:
    """(N, T) float64 `A_t = delta_t + gamma lam A_(t+1)`, `delta_t = r_t + gamma V_(t+1) - V_t`; 0 outside the mask.

    Source: arXiv 1506.02438 eq. (16). `t + 1` is the next token inside the mask. The return that a critic learns is `A_t + V_t`.

    Args:
        rewards: (N, T) floats.
        values: (N, T) value of the state in which each token is chosen.
        mask: (N, T) bool; gaps are skipped.
        gamma: in [0, 1].
        lam: in [0, 1].
        after: (N,) value of the state after the last token; None is 0, the end of the episode.

    Raises:
        UsageError: shapes do not fit.
    """
    _check(mask, rewards=rewards, values=values)
    if after is not None and after.shape != mask.shape[:1]:
        raise UsageError(
            f"after has shape {tuple(after.shape)}; expected {tuple(mask.shape[:1])}, one value per rollout"
        )
    advantages = torch.zeros(mask.shape, dtype=torch.float64, device=mask.device)
    tail = torch.zeros(len(mask), dtype=torch.float64, device=mask.device)
    following = tail if after is None else after.double()
    for t in reversed(range(mask.shape[1])):
        here, value = mask[:, t], values[:, t].double()
        delta = rewards[:, t].double() + gamma * following - value
        tail = torch.where(here, delta + gamma * lam * tail, tail)
        following = torch.where(here, value, following)
        advantages[:, t] = torch.where(here, tail, 0.0)
    return advantages


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Two-pass statistics of the values inside a mask, over all processes."""

    count: float
    """Values."""
    mean: float
    """Their mean; NaN without any."""
    squares: float
    """Sum of squared deviations from it."""

    def variance(self, ddof: int) -> float:
        """`squares / (count - ddof)`; 0 where `count <= ddof`."""
        return self.squares / (self.count - ddof) if self.count > ddof else 0.0


def moments(values: torch.Tensor, mask: torch.Tensor, *, world: World = ALONE) -> Moments:
    """Count, mean and squared deviations of `values` (N, T) inside `mask`; the squares are taken around the mean of all processes."""
    kept = values[mask].double()
    count, total = add(world, [float(kept.numel()), float(kept.sum())])
    if not count:
        return Moments(count=0.0, mean=math.nan, squares=0.0)
    mean = total / count
    (squares,) = add(world, [float(((kept - mean) ** 2).sum())])
    return Moments(count=count, mean=mean, squares=squares)


def whiten(advantages: torch.Tensor, mask: torch.Tensor, *, measured: Moments, ddof: int, eps: float) -> torch.Tensor:
    """(N, T) float64 `(A - mean) / sqrt(var_ddof + eps)` inside the mask, 0 outside; 0 everywhere when all are equal.

    Args:
        advantages: (N, T).
        mask: (N, T) bool, what `measured` was taken over.
        measured: `moments(advantages, mask)`.
        ddof: of the variance.
        eps: added to the variance.
    """
    variance = measured.variance(ddof)
    if variance == 0.0:
        return torch.zeros(mask.shape, dtype=torch.float64, device=mask.device)
    return torch.where(mask, (advantages.double() - measured.mean) / math.sqrt(variance + eps), 0.0)


def explained_variance(
    values: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor, *, world: World = ALONE
) -> float:
    """`1 - Var(return - value) / Var(return)` over the tokens inside the mask; NaN where all returns are equal."""
    spread = moments(returns, mask, world=world)
    rest = moments(returns.double() - values.double(), mask, world=world)
    return 1.0 - rest.squares / spread.squares if spread.squares > 0.0 else math.nan


def _check(mask: torch.Tensor, **tensors: torch.Tensor) -> None:
    if mask.dtype != torch.bool or mask.ndim != 2:
        raise UsageError(f"mask is {mask.dtype} of shape {tuple(mask.shape)}; expected torch.bool of shape (N, T)")
    for name, tensor in tensors.items():
        if tensor.shape != mask.shape:
            raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(mask.shape)} like the mask")

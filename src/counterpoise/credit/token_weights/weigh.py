"""Credit times token weights, and what the weights took away."""

from __future__ import annotations

from counterpoise.credit.token_weights.base import TokenWeights
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import Credit, Sum

__all__ = ["token_weight_metrics", "weigh_tokens", "weighed"]


def weigh_tokens(credit: Credit, weights: TokenWeights) -> Credit:
    """`plus_it = k+_i plus_i u_plus_it`, `minus_it = k-_i minus_i u_minus_it`: (N,) or (N, T) credit becomes (N, T).

    With `normalise`, `k_i = sum_t c_it / sum_t c_it u_it` for the sign's credit c, so that every response keeps the mass of each sign and
    rho by tokens does not move; for credit by rollout that is division of u by its mean over the response's tokens. Without it, k = 1.
    A response whose weights are 0 wherever it has credit of a sign loses that sign's credit, normalised or not: no other response gets it.
    Computed in float64, returned in float32 without gradient, zero outside the mask.

    Args:
        credit: (N,) or (N, T), for instance from `signed_credit`.
        weights: a `TokenWeight`'s, or any tensors >= 0.

    Raises:
        UsageError: shapes do not fit, or a weight is negative or not finite.
    """
    with torch.no_grad():
        plus = weighed(credit.plus.double(), weights.plus, weights)
        minus = weighed(credit.minus.double(), weights.minus, weights)
        return Credit(plus=plus.float(), minus=minus.float())


def weighed(sign: torch.Tensor, u: torch.Tensor, weights: TokenWeights) -> torch.Tensor:
    """(N, T) float64: one sign's (N,) or (N, T) credit times its weights u, as `weigh_tokens` has it."""
    mask = weights.mask
    if u.shape != mask.shape or sign.shape not in (mask.shape, mask.shape[:1]):
        raise UsageError(
            f"credit has shape {tuple(sign.shape)}, token weights {tuple(u.shape)} and their mask {tuple(mask.shape)}; expected credit of "
            f"{tuple(mask.shape[:1])} or {tuple(mask.shape)} and weights like the mask"
        )
    u = torch.where(mask, u.double(), 0.0)
    if not bool(((u >= 0) & torch.isfinite(u)).all()):
        row, token = torch.nonzero(~((u >= 0) & torch.isfinite(u)))[0].tolist()
        raise UsageError(
            f"the weight of token {token} of rollout {row} is {float(u[row, token]):g}; weights are finite and >= 0 (the sign is "
            "the rule's)"
        )
    before = torch.where(mask, sign if sign.ndim == 2 else sign[:, None], 0.0)
    after = before * u
    if not weights.normalise:
        return after
    mass, left = before.sum(dim=1, keepdim=True), after.sum(dim=1, keepdim=True)
    # What is left of next to nothing counts as nothing, or the quotient would overflow. Credit that is not finite stays so, to be seen.
    gone = (left <= 1e-290 * mass) & torch.isfinite(mass)
    return torch.where(gone, 0.0, after * (mass / left))


def token_weight_metrics(before: Credit, after: Credit, mask: torch.Tensor) -> dict[str, Sum]:
    """What weights took away: `token_weight_zero_plus`, `token_weight_zero_minus` and `token_weight_lost`.

    The first two are the share of the tokens with credit of that sign that have none any more, the third the share of the rollouts with
    credit that have none at all.

    Args:
        before: (N,) or (N, T) credit without token weights.
        after: (N, T) the same with them.
        mask: (N, T) bool tokens that there are.
    """
    signs = [(before.plus, after.plus), (before.minus, after.minus)]
    had = [mask & ((sign if sign.ndim == 2 else sign[:, None]) > 0) for sign, _ in signs]
    values = [
        count for own, (_, sign) in zip(had, signs, strict=True) for count in ((own & (sign == 0)).sum(), own.sum())
    ]
    rows = (had[0] | had[1]).any(dim=1)
    values += [(rows & ~after.nonzero.any(dim=1)).sum(), rows.sum()]
    up, ups, down, downs, lost, credited = torch.stack(values).tolist()
    return {
        "token_weight_zero_plus": Sum(total=up, count=ups),
        "token_weight_zero_minus": Sum(total=down, count=downs),
        "token_weight_lost": Sum(total=lost, count=credited),
    }

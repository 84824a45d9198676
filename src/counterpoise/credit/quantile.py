"""Quantiles of a value within each group."""

from __future__ import annotations

from counterpoise.credit.groups import GroupStatistics
from counterpoise.lazy import torch

__all__ = ["group_quantile"]


def group_quantile(values: torch.Tensor, statistics: GroupStatistics, q: float) -> torch.Tensor:
    """(N,) float64 quantile of each row's group over its scored rows; 0 in a group without any.

    Type 7 of Hyndman and Fan (numpy's default): at rank `h = (n - 1) q`, linear between the order statistics around it.
    """
    scored = statistics.scored
    group, kept = statistics.group[scored], values.double()[scored]
    by_value = torch.argsort(kept, stable=True)
    order = by_value[torch.argsort(group[by_value], stable=True)]
    ordered = kept[order]
    n = torch.bincount(group, minlength=statistics.groups)
    first = torch.cumsum(n, 0) - n
    rank = (n - 1).clamp(min=0).double() * q
    below = rank.floor().long()
    if not len(ordered):
        return torch.zeros_like(values, dtype=torch.float64)
    last = len(ordered) - 1
    lower = ordered[(first + below).clamp(max=last)]
    upper = ordered[(first + torch.minimum(below + 1, (n - 1).clamp(min=0))).clamp(max=last)]
    quantile = lower + (rank - below) * (upper - lower)
    return torch.where(n > 0, quantile, 0.0)[statistics.group]

"""Which rows reach the learner: part of the algorithm, so it has a name (`credit.filter`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from counterpoise.credit.groups import group_statistics
from counterpoise.errors import UnknownNameError
from counterpoise.lazy import torch
from counterpoise.types import Credit

__all__ = ["FILTERS", "keep_rows"]

Filter = Callable[[Credit, "torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def _zero_credit(credit: Credit, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """Drop rows without credit: their gradient is zero, so nothing is lost but their place in `*_all` denominators."""
    return credit.nonzero_rows & scored


def _none(credit: Credit, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """Keep every scored row: KL and entropy terms then act on rows without credit too."""
    return scored


def _zero_variance(
    credit: Credit, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor
) -> torch.Tensor:
    """Drop groups of equal rewards, as most trainers do: it throws away NSR's all-wrong and PSR's all-right groups.

    For comparison only.
    """
    return scored & ~group_statistics(torch.zeros_like(scored), scored, group_ids, rewards).constant


FILTERS: Mapping[str, Filter] = {
    "zero_credit": _zero_credit,
    "none": _none,
    "zero_variance": _zero_variance,
}


def keep_rows(
    credit: Credit, scored: torch.Tensor, group_ids: torch.Tensor, rewards: torch.Tensor, name: str = "zero_credit"
) -> torch.Tensor:
    """(N,) bool rows that go to the learner; unscored rows never do.

    Args:
        credit: (N,) or (N, T) credit.
        scored: (N,) bool.
        group_ids: (N,) integers.
        rewards: (N,) floats.
        name: `zero_credit` (drop rows without credit), `none` (keep every scored row) or `zero_variance` (drop groups of
            equal rewards; for comparison with trainers that do so).

    Raises:
        UnknownNameError: no filter has that name.
    """
    if name not in FILTERS:
        raise UnknownNameError("credit.filter", name, FILTERS)
    return FILTERS[name](credit, scored, group_ids, rewards)

"""Credit with more of the positive half than the rule and the controller gave: what a guard asks for."""

from __future__ import annotations

from counterpoise.credit.statistics import token_masses
from counterpoise.lazy import torch
from counterpoise.types import Batch, Credit
from counterpoise.world import ALONE, World, add

__all__ = ["relieved"]

_LARGEST = 20.0


def relieved(credit: Credit, batch: Batch, *, share: float, minus: float, world: World = ALONE) -> Credit:
    """Credit whose negative half is weighed by `minus` and whose positive share by tokens is `share` or more, over all processes.

    With token masses W+ and W- (after `minus`) and odds = share / (1 - share): where W+ < odds W-, the positives are weighed by
    odds W- / W+, at most by 20, and beyond that the negatives are weighed down, so that the share still holds. A rule that
    gives no positive credit (`nsr`) has nothing to weigh: then correct responses get equal credit, as `psr` gives it, as much as makes
    the share. Without a correct response no share can be had but by leaving out the negatives: the credit is zero and the update is
    skipped. Positives that have the share already stay as they are.

    Args:
        credit: (N,) or (N, T) credit.
        batch: the rollouts.
        share: in [0, 1).
        minus: in (0, 1].
        world: the processes that share the batch.
    """
    lengths = batch.lengths
    right = (batch.correct & batch.scored).to(credit.plus.dtype)
    if credit.plus.ndim == 2:
        inside = torch.arange(credit.plus.shape[1], device=lengths.device)[None, :] < lengths[:, None]
        right = right[:, None] * inside
    right = right * (credit.minus == 0)  # the two halves stay apart
    weighed = Credit(plus=credit.plus, minus=credit.minus * minus)
    own = [*token_masses(weighed, lengths), token_masses(Credit(plus=right, minus=right), lengths)[0]]
    up, down, rights = add(world, [float(mass.sum()) for mass in own])
    needed = share / (1.0 - share) * down
    if up >= needed:
        return weighed
    if not up:
        up, weighed = rights, Credit(plus=right, minus=weighed.minus)
    if needed <= _LARGEST * up:
        return Credit(plus=weighed.plus * (needed / up), minus=weighed.minus)
    return Credit(plus=weighed.plus * _LARGEST, minus=weighed.minus * (_LARGEST * up / needed))

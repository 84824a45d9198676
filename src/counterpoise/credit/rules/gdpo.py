"""GDPO's advantage: every dimension of the reward is normalised within its group before they are added up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, NoReturn

from annotated_types import MinLen

from counterpoise.credit.advantages import Advantages, Stateful
from counterpoise.credit.gae import Moments, moments, whiten
from counterpoise.credit.groups import GroupStatistics, group_statistics
from counterpoise.credit.rules.base import centred, normalised
from counterpoise.credit.rules.needs import Needs
from counterpoise.errors import DataError, UsageError
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero, Correction, Expected, NonNegative
from counterpoise.settings import settings
from counterpoise.types import Batch, Sum
from counterpoise.world import ALONE, World, add

__all__ = ["Gdpo", "gdpo"]


_DIMENSIONS = "a table of weights such as {value = 1.0, unit = 0.5}"


@settings("credit.rule gdpo")
class Gdpo:
    """`A = (S - mean S) / sqrt(var S + whiten_eps)`, `S = sum_d w_d (x_d - mean_d) / (std_d + eps)` over dimensions d of the reward.

    For comparison with `hinge` on the reward `vector`.

    Source: GDPO, arXiv 2601.05242, whose three steps are these: each dimension normalised in its group, their weighted sum, the sum
    whitened over the batch. `mean_d` and `std_d` are the group's, of the scored rollouts that have the dimension. TRL
    (`multi_objective_aggregation = "normalize_then_sum"`) whitens over sequences with eps 1e-4 at both places, added to the std: `eps`
    can be that, `whiten_eps` cannot, since it is added to the variance (relative differences up to 3e-4). verl whitens over tokens,
    with 1e-6 at the std and 1e-8 at the variance. A dimension that a rollout lacks adds nothing to it (TRL's
    `nansum`), and a group of one, or of equal values, has 0 in it. One dimension without whitening is `grpo` with `scale = "as_given"`.

    Its credit needs the dimensions, which a batch has; `gdpo` computes with plain tensors.

    For comparison only: it divides positive and negative credit by the same spread, so that neither can be weighed by itself.
    """

    needs: ClassVar[Needs] = Needs.BASELINE | Needs.PARTS
    divides: ClassVar[bool] = True
    states: ClassVar[Mapping[str, Stateful]] = MappingProxyType({})

    dimensions: Annotated[Mapping[str, AboveZero], MinLen(1), Expected(_DIMENSIONS)]
    """Weight > 0 of each part by name, e.g. `{value = 1.0, unit = 0.5}`; `verdict` is 1 if correct, else 0."""
    ddof: Correction = 1
    """Delta degrees of freedom of every std: 1 (verl, TRL) or 0."""
    eps: NonNegative = 1e-6
    """Added to the std of a dimension in its group, >= 0."""
    whiten: Literal["sequences", "tokens", "none"] = "sequences"
    """What the batch is in the last step: its scored rollouts (the paper, TRL), their tokens (verl), or no such step."""
    whiten_eps: NonNegative = 1e-8
    """Added to the variance of the batch, >= 0."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> NoReturn:
        """Refused: rewards and group statistics are not enough.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "credit.rule gdpo needs the graded parts of every verdict, which this has not; train with it, or take its advantages "
            "from counterpoise.credit.rules.gdpo"
        )

    def for_steps(self) -> Gdpo:
        """Itself: it has no past."""
        return self

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """Of the batch's parts, and for each dimension the share of scored rollouts that it gives credit (`active/DIMENSION`).

        Raises:
            DataError: a right answer has none of the dimensions.
        """
        names = tuple(self.dimensions)
        unknown = torch.full_like(batch.rewards, math.nan)
        parts = torch.stack([batch.parts.get(name, unknown) for name in names], dim=1)
        if bool((parts.isnan().all(dim=1) & batch.correct & batch.scored).any()):
            raise DataError(
                f"credit.rule gdpo: an answer was called right and has none of the dimensions {', '.join(names)} (the step's parts: "
                f"{', '.join(sorted(batch.parts)) or 'none'}); name the verifier's parts, or add the dimension verdict"
            )
        values, terms = gdpo(parts, batch.scored, batch.group_ids, rule=self, lengths=batch.lengths, world=world)
        scored = float(batch.scored.sum())
        active = (terms != 0).sum(dim=0).tolist()
        metrics = {
            f"active/{name}": Sum(total=float(rows), count=scored) for name, rows in zip(names, active, strict=True)
        }
        return Advantages(values=values, metrics=metrics)


def gdpo(
    parts: torch.Tensor,
    scored: torch.Tensor,
    group_ids: torch.Tensor,
    *,
    rule: Gdpo,
    lengths: torch.Tensor | None = None,
    world: World = ALONE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) float64 advantages and (N, D) float64 weighted terms they are the sums of, before whitening; unscored rows are 0 in both.

    Over sequences the mean that whitening subtracts is 0, group by group, and is not computed, so that a group without variance keeps
    exactly 0. Over tokens it is not: there long responses weigh more, and such a group is shifted like all others.

    Args:
        parts: (N, D) floats in the order of `rule.dimensions`, NaN where a rollout has not got a dimension.
        scored: (N,) bool.
        group_ids: (N,) integers; groups are whole.
        rule: the settings.
        lengths: (N,) response tokens; needed with `whiten = "tokens"`.
        world: the processes that share the batch; whitening is over all of them.

    Raises:
        UsageError: shapes do not fit, or lengths are missing.
        DataError: a part is infinite.
    """
    if parts.shape != (len(scored), len(rule.dimensions)):
        raise UsageError(
            f"parts has shape {tuple(parts.shape)}; expected ({len(scored)}, {len(rule.dimensions)}): rollouts, dimensions"
        )
    terms = torch.stack(
        [
            weight * _normalised(values, scored & ~values.isnan(), group_ids, rule)
            for values, weight in zip(parts.double().unbind(1), rule.dimensions.values(), strict=True)
        ],
        dim=1,
    )
    total = terms.sum(dim=1)
    if rule.whiten == "none":
        return total, terms
    if rule.whiten == "sequences":
        count, squares = add(world, [float(scored.sum()), float((total[scored] ** 2).sum())])
        measured = Moments(count=count, mean=0.0, squares=squares)
    else:
        if lengths is None:
            raise UsageError("gdpo: whiten = 'tokens' weighs rollouts by their length; pass lengths")
        each = total[scored].repeat_interleave(lengths[scored])
        measured = moments(each, torch.ones_like(each, dtype=torch.bool), world=world)
    return whiten(total, scored, measured=measured, ddof=rule.ddof, eps=rule.whiten_eps), terms


def _normalised(values: torch.Tensor, has: torch.Tensor, group_ids: torch.Tensor, rule: Gdpo) -> torch.Tensor:
    statistics = group_statistics(torch.zeros_like(has), has, group_ids, values)
    deviation, squares = centred(values, statistics, "as_given")
    scaled = normalised(deviation, squares, statistics.n, ddof=rule.ddof, eps=rule.eps, eps_to="std")
    return torch.where(has, scaled, 0.0)

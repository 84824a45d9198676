"""Signed credit: advantages, emphasis and the two lambdas put together, `plus` and `minus` held apart."""

from __future__ import annotations

import math
from typing import Any

from counterpoise.credit.emphasis import Emphasis
from counterpoise.credit.groups import GroupStatistics, group_statistics
from counterpoise.credit.registry import check_emphasis
from counterpoise.credit.rules.base import Rule
from counterpoise.credit.token_weights.base import TokenWeights
from counterpoise.credit.token_weights.weigh import weighed
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.lazy import torch
from counterpoise.settings import check_number
from counterpoise.types import Credit
from counterpoise.world import ALONE, World, add

__all__ = ["signed", "signed_credit"]


def signed(
    advantages: torch.Tensor,
    *,
    scored: torch.Tensor,
    statistics: GroupStatistics,
    emphasis: Emphasis | None = None,
    lambda_plus: float | torch.Tensor = 1.0,
    lambda_minus: float | torch.Tensor = 1.0,
    token_weights: TokenWeights | None = None,
    all_wrong_cap: float | None = None,
    world: World = ALONE,
) -> Credit:
    """`plus = lambda_plus * d * max(A, 0)`, `minus = lambda_minus * d * max(-A, 0)` with A the advantages and d from the emphasis.

    A is (N,), or (N, T) where tokens are credited; `plus` and `minus` have its shape, and are (N, T) with token weights u, where
    `plus_it = plus_i u_plus_it` and `minus_it = minus_i u_minus_it`. Computed in float64 and returned in float32 without gradient. `plus
    * minus == 0`; unscored rows are zero in both and have left every statistic. Groups must be whole in the call.

    Args:
        advantages: (N,) or (N, T) signed, from a rule; what they are on unscored rows does not matter.
        scored: (N,) bool.
        statistics: of the rollouts' groups, `group_statistics(...)`.
        emphasis: `make_emphasis(...)`; None is d = 1.
        lambda_plus: weight >= 0 of the positive part, one number or (N,) (one value per task type, from a controller).
        lambda_minus: the same for the negative part.
        token_weights: `make_token_weights(...)(context)`: each sign times its own weights, see `weigh_tokens`; None is u = 1.
        all_wrong_cap: largest share in (0, 1] of the batch's negative mass (summed over rows, or tokens) that groups without a single
            success may carry; their `minus` is scaled down to meet it, to zero when there is no other negative mass. None is off. It
            is met after everything else: by tokens where there are token weights, since those may have taken a row's credit.
        world: the processes that share the batch, whose masses the cap compares; with a cap each of them must make the call.

    Raises:
        UsageError: shapes or dtypes do not fit, or a lambda is negative.
        TrainingError: a credit is not finite.
    """
    with torch.no_grad():
        if advantages.shape[:1] != scored.shape or advantages.ndim > 2:
            raise UsageError(
                f"the rule returned shape {tuple(advantages.shape)}; expected {tuple(scored.shape)}, one per rollout, "
                "or one more dimension for its tokens"
            )
        tokens = advantages.ndim == 2
        weighted = advantages.double()
        if emphasis is not None:
            weighted = weighted * _by_row(emphasis(statistics), tokens)
        weighted = torch.where(_by_row(scored, tokens), weighted, 0.0)
        plus = torch.relu(weighted) * _weight("lambda_plus", lambda_plus, scored, tokens)
        # + 0.0: the negative of a zero is -0.0, which would be shown
        minus = (torch.relu(-weighted) + 0.0) * _weight("lambda_minus", lambda_minus, scored, tokens)
        if token_weights is not None:
            plus = weighed(plus, token_weights.plus, token_weights)
            minus = weighed(minus, token_weights.minus, token_weights)
            tokens = True
        if all_wrong_cap is not None:
            minus = _cap_all_wrong(minus, statistics, all_wrong_cap, world)
        credit = Credit(plus=plus.float(), minus=minus.float())
        finite = torch.isfinite(credit.plus) & torch.isfinite(credit.minus)
        finite = finite.all(dim=1) if tokens else finite
        if not bool(finite.all()):
            row = int(torch.nonzero(~finite)[0])
            raise TrainingError(
                f"the credit of {int((~finite).sum())} of {len(scored)} rollouts is not finite, first rollout {row} "
                f"(advantage {_largest(advantages[row]):g}, group success rate {float(statistics.p[row]):g}); "
                "lower the lambdas or the emphasis, or raise the rule's eps"
            )
        return credit


def signed_credit(
    *,
    rewards: torch.Tensor,
    correct: torch.Tensor,
    scored: torch.Tensor,
    group_ids: torch.Tensor,
    rule: Rule,
    **weights: Any,
) -> Credit:
    """`signed(rule(rewards, statistics), …)` of plain tensors, for trainers that have a loop of their own.

    Groups must be whole in the call.

    Args:
        rewards: (N,) floats; what they are on unscored rows (NaN) does not matter.
        correct: (N,) bool.
        scored: (N,) bool.
        group_ids: (N,) integers in any order.
        rule: `make_rule(...)`, or anything that follows `Rule`.
        **weights: emphasis, lambdas, token weights and cap, see `signed`.

    Raises:
        ConfigError: rule and emphasis both divide by a function of the success rate.
        UsageError: shapes or dtypes do not fit, a lambda is negative, or the rule needs more than rewards (`needs`).
        DataError: a scored rollout has a reward that is not finite.
        TrainingError: a credit is not finite.
    """
    check_emphasis(rule, weights.get("emphasis"))
    with torch.no_grad():
        statistics = group_statistics(correct, scored, group_ids, rewards)
        return signed(rule(rewards, statistics), scored=scored, statistics=statistics, **weights)


def _largest(advantages: torch.Tensor) -> float:
    """The one that is furthest from 0, of a rollout or of its tokens."""
    values = advantages.flatten()
    return float(values[values.abs().nan_to_num(nan=math.inf).argmax()])


def _by_row(values: torch.Tensor, tokens: bool) -> torch.Tensor:
    """(N,) values so that they meet (N,) numbers, or (N, T) where there is one for each token."""
    return values[:, None] if tokens else values


def _weight(name: str, value: float | torch.Tensor, scored: torch.Tensor, tokens: bool) -> float | torch.Tensor:
    if not isinstance(value, torch.Tensor):
        check_number("signed_credit", name, value, low=0.0)
        return value
    if value.shape != scored.shape:
        raise UsageError(
            f"{name} has shape {tuple(value.shape)}; expected a number or {tuple(scored.shape)}, one per rollout"
        )
    if not bool(((value >= 0) & torch.isfinite(value)).all()):
        raise UsageError(f"{name} holds {float(value.min()):g}; weights are finite and >= 0 (the sign is the rule's)")
    return _by_row(value.double(), tokens)


def _cap_all_wrong(minus: torch.Tensor, statistics: GroupStatistics, cap: float, world: World) -> torch.Tensor:
    if isinstance(cap, bool) or not 0.0 < cap <= 1.0:
        raise ConfigError(f"credit.all_wrong_cap = {cap!r}; expected a number in (0, 1], or leave it out for no cap")
    all_wrong = statistics.c == 0
    capped, rest = add(world, [float(minus[all_wrong].sum()), float(minus[~all_wrong].sum())])
    # mass / (mass + rest) = cap  <=>  mass = cap / (1 - cap) * rest
    allowed = cap / (1.0 - cap) * rest if cap < 1.0 else capped
    factor = allowed / capped if capped > allowed else 1.0
    return torch.where(_by_row(all_wrong, minus.ndim == 2), minus * factor, minus)

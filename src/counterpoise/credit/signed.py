"""Signed credit: the rule, the emphasis and the two lambdas put together, `plus` and `minus` held apart."""

from __future__ import annotations

from counterpoise.credit.emphasis import Emphasis
from counterpoise.credit.gae import Add
from counterpoise.credit.groups import GroupStatistics, group_statistics
from counterpoise.credit.rules.base import Rule
from counterpoise.credit.token_weights.base import TokenWeights
from counterpoise.credit.token_weights.weigh import weighed
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.lazy import torch
from counterpoise.registry import check_number
from counterpoise.types import Credit

__all__ = ["signed_credit"]


def signed_credit(
    *,
    rewards: torch.Tensor,
    correct: torch.Tensor,
    scored: torch.Tensor,
    group_ids: torch.Tensor,
    rule: Rule,
    emphasis: Emphasis | None = None,
    lambda_plus: float | torch.Tensor = 1.0,
    lambda_minus: float | torch.Tensor = 1.0,
    token_weights: TokenWeights | None = None,
    all_wrong_cap: float | None = None,
    add: Add = list,
) -> Credit:
    """`plus = lambda_plus * d * max(A, 0)`, `minus = lambda_minus * d * max(-A, 0)` with A from the rule and d from the emphasis.

    A is (N,), or (N, T) where a rule credits tokens; `plus` and `minus` have its shape, and are (N, T) with token weights u, where
    `plus_it = plus_i u_plus_it` and `minus_it = minus_i u_minus_it`. Computed in float64 and returned in float32 without gradient. `plus
    * minus == 0`; unscored rows are zero in both and have left every statistic. Groups must be whole in the call.

    Args:
        rewards: (N,) floats; what they are on unscored rows (NaN) does not matter.
        correct: (N,) bool.
        scored: (N,) bool.
        group_ids: (N,) integers in any order.
        rule: `make_rule(...)`, or anything that follows `Rule`.
        emphasis: `make_emphasis(...)`; None is d = 1.
        lambda_plus: weight >= 0 of the positive part, one number or (N,) (one value per task type, from a controller).
        lambda_minus: the same for the negative part.
        token_weights: `make_token_weights(...)(context)`: each sign times its own weights, see `weigh_tokens`; None is u = 1.
        all_wrong_cap: largest share in (0, 1] of the batch's negative mass (summed over rows, or tokens) that groups without a single
            success may carry; their `minus` is scaled down to meet it, to zero when there is no other negative mass. None is off. It
            is met after everything else: by tokens where there are token weights, since those may have taken a row's credit.
        add: sums of this process to those of all of them, for the cap's two masses: the batch is that of all processes, and each of them
            must then make the call. Called only with a cap.

    Raises:
        UsageError: shapes or dtypes do not fit, or a lambda is negative.
        DataError: a scored rollout has a reward that is not finite.
        TrainingError: a credit is not finite.
    """
    with torch.no_grad():
        statistics = group_statistics(correct, scored, group_ids, rewards)
        advantage = rule(rewards, statistics)
        if advantage.shape[:1] != rewards.shape or advantage.ndim > 2:
            raise UsageError(
                f"the rule returned shape {tuple(advantage.shape)}; expected {tuple(rewards.shape)}, one per rollout, "
                "or one more dimension for its tokens"
            )
        tokens = advantage.ndim == 2
        weighted = advantage.double()
        if emphasis is not None:
            weighted = weighted * _by_row(emphasis(statistics), tokens)
        weighted = torch.where(_by_row(scored, tokens), weighted, 0.0)
        plus = torch.relu(weighted) * _weight("lambda_plus", lambda_plus, rewards, tokens)
        # + 0.0: the negative of a zero is -0.0, which would be shown
        minus = (torch.relu(-weighted) + 0.0) * _weight("lambda_minus", lambda_minus, rewards, tokens)
        if token_weights is not None:
            plus = weighed(plus, token_weights.plus, token_weights)
            minus = weighed(minus, token_weights.minus, token_weights)
            tokens = True
        if all_wrong_cap is not None:
            minus = _cap_all_wrong(minus, statistics, all_wrong_cap, add)
        credit = Credit(plus=plus.float(), minus=minus.float())
        finite = torch.isfinite(credit.plus) & torch.isfinite(credit.minus)
        finite = finite.all(dim=1) if tokens else finite
        if not bool(finite.all()):
            row = int(torch.nonzero(~finite)[0])
            raise TrainingError(
                f"the credit of {int((~finite).sum())} of {len(rewards)} rollouts is not finite, first rollout {row} "
                f"(reward {float(rewards[row]):g}, group success rate {float(statistics.p[row]):g}); "
                "lower the lambdas or the emphasis, or raise the rule's eps"
            )
        return credit


def _by_row(values: torch.Tensor, tokens: bool) -> torch.Tensor:
    """(N,) values so that they meet (N,) numbers, or (N, T) where there is one for each token."""
    return values[:, None] if tokens else values


def _weight(name: str, value: float | torch.Tensor, rewards: torch.Tensor, tokens: bool) -> float | torch.Tensor:
    if not isinstance(value, torch.Tensor):
        check_number("signed_credit", name, value, low=0.0)
        return value
    if value.shape != rewards.shape:
        raise UsageError(
            f"{name} has shape {tuple(value.shape)}; expected a number or {tuple(rewards.shape)}, one per rollout"
        )
    if not bool(((value >= 0) & torch.isfinite(value)).all()):
        raise UsageError(f"{name} holds {float(value.min()):g}; weights are finite and >= 0 (the sign is the rule's)")
    return _by_row(value.double(), tokens)


def _cap_all_wrong(minus: torch.Tensor, statistics: GroupStatistics, cap: float, add: Add) -> torch.Tensor:
    if isinstance(cap, bool) or not 0.0 < cap <= 1.0:
        raise ConfigError(f"credit.all_wrong_cap = {cap!r}; expected a number in (0, 1], or leave it out for no cap")
    all_wrong = statistics.c == 0
    capped, rest = add([float(minus[all_wrong].sum()), float(minus[~all_wrong].sum())])
    # mass / (mass + rest) = cap  <=>  mass = cap / (1 - cap) * rest
    allowed = cap / (1.0 - cap) * rest if cap < 1.0 else capped
    factor = allowed / capped if capped > allowed else 1.0
    return torch.where(_by_row(all_wrong, minus.ndim == 2), minus * factor, minus)

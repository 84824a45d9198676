"""What the credit of a batch looked like: the two coordinates of every rule, and the shares behind them."""

from __future__ import annotations

from counterpoise.credit.groups import check_rows, dense_groups
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.types import Batch, Credit, Sum

__all__ = ["credit_metrics", "token_masses"]


def credit_metrics(credit: Credit, batch: Batch) -> dict[str, Sum]:
    """Measured statistics of one batch, as (sum, count) pairs that add up over processes and steps.

    Keys (rows are scored rollouts): `polarity_share_rows` and `polarity_share_tokens` (rho = positive mass over all mass),
    `emphasis` (mass per row, `p f+ + (1-p) f-`), `plus`, `minus` (mass per row), `success_rate`, `zero_credit` (share of rows),
    `groups_all_right`, `groups_all_wrong`, `groups_mixed`, `groups_unscored` (shares of all groups), `coverage` (share of scored
    groups with a success), `unscored` (share of all rollouts), `correct_pushed_down` (share of correct rows), `wrong_pushed_up`.

    Args:
        credit: (N,) or (N, T) credit.
        batch: the rollouts.

    Raises:
        UsageError: shapes or dtypes do not fit.
    """
    correct, scored, group_ids, lengths = batch.correct, batch.scored, batch.group_ids, batch.lengths
    check_rows(correct=correct, scored=scored, group_ids=group_ids)
    right, wrong = correct & scored, ~correct & scored
    plus_tokens, minus_tokens = token_masses(credit, lengths)
    if credit.plus.ndim == 1:
        plus, minus = credit.plus.double(), credit.minus.double()
    else:
        plus, minus = plus_tokens / lengths.clamp(min=1), minus_tokens / lengths.clamp(min=1)
    group, groups = dense_groups(group_ids)
    zeros = torch.zeros(groups, dtype=torch.float64, device=group.device)
    rights, wrongs = zeros.index_add(0, group, right.double()), zeros.index_add(0, group, wrong.double())
    values = [
        plus.sum(),
        minus.sum(),
        plus_tokens.sum(),
        minus_tokens.sum(),
        scored.sum(),
        right.sum(),
        (scored & (plus == 0) & (minus == 0)).sum(),
        ((rights > 0) & (wrongs == 0)).sum(),
        ((rights == 0) & (wrongs > 0)).sum(),
        ((rights > 0) & (wrongs > 0)).sum(),
        (right & (minus > 0)).sum(),
        (wrong & (plus > 0)).sum(),
    ]
    up, down, up_tokens, down_tokens, rows, successes, idle, all_right, all_wrong, mixed, pushed_down, pushed_up = (
        torch.stack([value.double() for value in values]).tolist()
    )
    judged = all_right + all_wrong + mixed
    return {
        "polarity_share_rows": Sum(total=up, count=up + down),
        "polarity_share_tokens": Sum(total=up_tokens, count=up_tokens + down_tokens),
        "emphasis": Sum(total=up + down, count=rows),
        "plus": Sum(total=up, count=rows),
        "minus": Sum(total=down, count=rows),
        "success_rate": Sum(total=successes, count=rows),
        "zero_credit": Sum(total=idle, count=rows),
        "groups_all_right": Sum(total=all_right, count=groups),
        "groups_all_wrong": Sum(total=all_wrong, count=groups),
        "groups_mixed": Sum(total=mixed, count=groups),
        "groups_unscored": Sum(total=groups - judged, count=groups),
        "coverage": Sum(total=all_right + mixed, count=judged),
        "unscored": Sum(total=len(scored) - rows, count=len(scored)),
        "correct_pushed_down": Sum(total=pushed_down, count=successes),
        "wrong_pushed_up": Sum(total=pushed_up, count=rows - successes),
    }


def token_masses(credit: Credit, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) float64 positive and negative mass of each row in tokens: `plus * length`, or the sum of per-token credit.

    Raises:
        UsageError: `lengths` is not (N,).
    """
    if lengths.shape != credit.plus.shape[:1]:
        raise UsageError(
            f"lengths has shape {tuple(lengths.shape)}; expected {tuple(credit.plus.shape[:1])}, one per rollout"
        )
    if credit.plus.ndim == 1:
        return credit.plus.double() * lengths, credit.minus.double() * lengths
    return credit.plus.double().sum(dim=1), credit.minus.double().sum(dim=1)

import math

import pytest
import torch

from counterpoise.credit import credit_metrics, make_rule, signed_credit, token_masses
from counterpoise.errors import UsageError
from counterpoise.types import Batch, Credit, Sum

# groups: all wrong (2), all right (1), mixed (1 right, 1 wrong, 1 unscored), all unscored (1)
CORRECT = torch.tensor([0, 0, 1, 1, 0, 1, 0]).bool()
SCORED = torch.tensor([1, 1, 1, 1, 1, 0, 0]).bool()
IDS = torch.tensor([3, 3, 1, 2, 2, 2, -5])
LENGTHS = torch.tensor([10, 10, 20, 5, 15, 100, 100])
REWARDS = torch.where(SCORED, CORRECT.double() * 2 - 1, math.nan)
BATCH = Batch(
    rewards=REWARDS, correct=CORRECT, scored=SCORED, group_ids=IDS, lengths=LENGTHS, task_types=["t"] * len(IDS)
)


def metrics(credit: Credit) -> dict[str, Sum]:
    return credit_metrics(credit, BATCH)


def credit(rule: str) -> Credit:
    return signed_credit(rewards=REWARDS, correct=CORRECT, scored=SCORED, group_ids=IDS, rule=make_rule(rule))


def test_every_statistic_of_a_small_batch() -> None:
    assert metrics(credit("reinforce")) == {
        "polarity_share_rows": Sum(total=2, count=5),
        "polarity_share_tokens": Sum(total=25, count=60),  # 20 + 5 of all scored tokens
        "emphasis": Sum(total=5, count=5),
        "plus": Sum(total=2, count=5),
        "minus": Sum(total=3, count=5),
        "success_rate": Sum(total=2, count=5),
        "zero_credit": Sum(total=0, count=5),
        "groups_all_right": Sum(total=1, count=4),
        "groups_all_wrong": Sum(total=1, count=4),
        "groups_mixed": Sum(total=1, count=4),
        "groups_unscored": Sum(total=1, count=4),
        "coverage": Sum(total=2, count=3),
        "unscored": Sum(total=2, count=7),
        "correct_pushed_down": Sum(total=0, count=2),
        "wrong_pushed_up": Sum(total=0, count=3),
    }


@pytest.mark.parametrize(("rule", "share"), [("psr", 1.0), ("nsr", 0.0), ("rloo", 0.5), ("maxrl", 0.5), ("grpo", 0.5)])
def test_the_measured_polarity_share_is_the_rule_s_own(rule: str, share: float) -> None:
    assert metrics(credit(rule))["polarity_share_rows"].mean == share


def test_the_share_of_weighted_reinforce_is_measured_not_lambda() -> None:
    # 2 correct at 0.1 and 3 wrong at 1: 0.2 / 3.2
    assert metrics(credit("weighted_reinforce"))["polarity_share_rows"].mean == pytest.approx(0.0625)


def test_rows_without_credit_are_counted() -> None:
    assert metrics(credit("nsr"))["zero_credit"] == Sum(total=2, count=5)


def test_rollouts_pushed_against_their_verdict_are_counted() -> None:
    up, down = torch.tensor([1.0, 0, 0, 0, 0, 0, 0]), torch.tensor([0, 0, 1.0, 1.0, 0, 0, 0])
    found = metrics(Credit(plus=up, minus=down))
    assert found["wrong_pushed_up"] == Sum(total=1, count=3)
    assert found["correct_pushed_down"] == Sum(total=2, count=2)


def test_per_token_credit_gives_the_same_statistics_as_the_row_credit_it_spreads() -> None:
    rows = credit("reinforce")
    inside = torch.arange(100)[None, :] < LENGTHS[:, None]
    spread = Credit(plus=rows.plus[:, None] * inside, minus=rows.minus[:, None] * inside)
    assert metrics(spread) == metrics(rows)


def test_sums_of_two_batches_add_up() -> None:
    whole, parts = metrics(credit("reinforce")), [torch.arange(3), torch.arange(3, 7)]
    found = [credit_metrics(credit("reinforce").rows(part), BATCH.rows(part)) for part in parts]
    assert {key: found[0][key] + found[1][key] for key in whole} == whole


def test_token_masses_refuse_lengths_of_another_batch() -> None:
    with pytest.raises(UsageError, match=r"lengths has shape \(2,\); expected \(7,\)"):
        token_masses(credit("psr"), torch.ones(2))

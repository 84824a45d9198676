import math

import pytest
import torch

from counterpoise.credit import keep_rows, make_rule, signed_credit
from counterpoise.errors import UnknownNameError
from counterpoise.types import Credit

# groups: all wrong, all right, mixed with one unscored row
CORRECT = torch.tensor([0, 0, 1, 1, 1, 0, 0]).bool()
SCORED = torch.tensor([1, 1, 1, 1, 1, 1, 0]).bool()
IDS = torch.tensor([0, 0, 1, 1, 2, 2, 2])
REWARDS = torch.tensor([-1, -1, 1, 1, 1, -1, math.nan], dtype=torch.float64)


def kept(rule: str, name: str) -> list[int]:
    credit = signed_credit(rewards=REWARDS, correct=CORRECT, scored=SCORED, group_ids=IDS, rule=make_rule(rule))
    return torch.nonzero(keep_rows(credit, SCORED, IDS, REWARDS, name)).flatten().tolist()


@pytest.mark.parametrize(
    ("rule", "rows"), [("nsr", [0, 1, 5]), ("psr", [2, 3, 4]), ("reinforce", [0, 1, 2, 3, 4, 5]), ("grpo", [4, 5])]
)
def test_zero_credit_keeps_exactly_what_has_a_gradient(rule: str, rows: list[int]) -> None:
    assert kept(rule, "zero_credit") == rows


@pytest.mark.parametrize("rule", ["nsr", "psr", "grpo"])
def test_none_keeps_every_scored_row(rule: str) -> None:
    assert kept(rule, "none") == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("rule", ["nsr", "psr", "grpo"])
def test_zero_variance_drops_the_groups_that_nsr_and_psr_learn_most_from(rule: str) -> None:
    assert kept(rule, "zero_variance") == [4, 5]


def test_one_credited_token_keeps_a_row_of_per_token_credit() -> None:
    credit = Credit(plus=torch.tensor([[0.0, 0.0], [0.0, 1.0]]), minus=torch.zeros(2, 2))
    keep = keep_rows(credit, torch.ones(2).bool(), torch.zeros(2).long(), torch.ones(2))
    assert keep.tolist() == [False, True]


def test_an_unknown_filter_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown credit.filter 'zero_var'; did you mean 'zero_variance'"):
        kept("nsr", "zero_var")

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import GroupStatistics, group_statistics
from counterpoise.errors import DataError, UsageError

ROWS = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans(), st.booleans(), st.integers(-8, 8)), min_size=1, max_size=40
)


def statistics_of(rows: list[tuple[int, bool, bool, int]]) -> GroupStatistics:
    groups, correct, scored, rewards = zip(*rows, strict=True)
    return group_statistics(
        torch.tensor(correct), torch.tensor(scored), torch.tensor(groups), torch.tensor(rewards, dtype=torch.float64)
    )


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_statistics_agree_with_exact_rational_ones_for_groups_in_any_order(
    rows: list[tuple[int, bool, bool, int]],
) -> None:
    found = statistics_of(rows)
    for i, (group, _, _, _) in enumerate(rows):
        members = [row for row in rows if row[0] == group]
        judged = [row for row in members if row[2]]
        assert found.size[i] == len(members)
        assert found.n[i] == len(judged)
        assert found.c[i] == sum(row[1] for row in judged)
        if not judged:
            assert math.isnan(found.p[i]) and math.isnan(found.mean[i]) and bool(found.constant[i])
            continue
        mean = Fraction(sum(row[3] for row in judged), len(judged))
        squares = sum((row[3] - mean) ** 2 for row in judged)
        assert float(found.p[i]) == sum(row[1] for row in judged) / len(judged)
        assert float(found.mean[i]) == pytest.approx(float(mean), abs=1e-14)
        assert float(found.squares[i]) == pytest.approx(float(squares), rel=1e-13, abs=1e-13)
        assert bool(found.constant[i]) == (squares == 0)
        for ddof in (0, 1):
            std = math.sqrt(squares / (len(judged) - ddof)) if len(judged) > ddof else 0.0
            assert float(found.std(ddof)[i]) == pytest.approx(std, rel=1e-13, abs=1e-13)


def test_equal_rewards_have_exactly_no_variance_whatever_their_sum_rounds_to() -> None:
    # 0.1 + 0.1 + 0.1 = 0.30000000000000004, a third of which is not 0.1: GRPO would divide 1e-17 by 1e-17
    found = group_statistics(
        torch.ones(3).bool(), torch.ones(3).bool(), torch.zeros(3).long(), torch.full((3,), 0.1).double()
    )
    assert found.squares.tolist() == [0.0] * 3
    assert found.mean.tolist() == [float(torch.tensor(0.1).double())] * 3


def test_a_large_offset_does_not_cancel_the_variance() -> None:
    # E[r^2] - E[r]^2 would give 0 or less here: the squares are 1e18, their difference 1e-2
    rewards = torch.tensor([1e9, 1e9 + 0.25], dtype=torch.float64)
    found = group_statistics(torch.ones(2).bool(), torch.ones(2).bool(), torch.zeros(2).long(), rewards)
    assert found.squares.tolist() == [0.03125] * 2  # 2 * 0.125^2


def test_unscored_rows_leave_every_statistic() -> None:
    rewards = torch.tensor([1.0, -1.0, math.nan, math.inf], dtype=torch.float64)
    found = group_statistics(
        torch.tensor([True, False, True, True]),
        torch.tensor([True, True, False, False]),
        torch.zeros(4).long(),
        rewards,
    )
    assert (found.n.tolist(), found.c.tolist(), found.p.tolist()) == ([2.0] * 4, [1.0] * 4, [0.5] * 4)
    assert (found.mean.tolist(), found.squares.tolist(), found.size.tolist()) == ([0.0] * 4, [2.0] * 4, [4] * 4)
    assert found.correct.tolist() == [True, False, False, False]


def test_without_rewards_the_success_indicator_is_taken() -> None:
    found = group_statistics(torch.tensor([True, False]), torch.ones(2).bool(), torch.zeros(2).long())
    assert (found.mean.tolist(), found.squares.tolist()) == ([0.5, 0.5], [0.5, 0.5])


def test_no_rows_are_no_groups() -> None:
    found = group_statistics(torch.zeros(0).bool(), torch.zeros(0).bool(), torch.zeros(0).long(), torch.zeros(0))
    assert (found.groups, found.n.numel()) == (0, 0)


def test_a_scored_reward_that_is_not_finite_is_named() -> None:
    with pytest.raises(DataError, match="the reward of rollout 1 is nan although it is scored"):
        group_statistics(
            torch.ones(2).bool(), torch.ones(2).bool(), torch.zeros(2).long(), torch.tensor([1.0, math.nan])
        )


def test_shapes_and_dtypes_are_checked_at_the_door() -> None:
    yes, ids = torch.ones(2).bool(), torch.zeros(2).long()
    with pytest.raises(UsageError, match=r"correct has dtype torch.float32; expected torch.bool"):
        group_statistics(torch.ones(2), yes, ids)
    with pytest.raises(UsageError, match=r"group_ids has dtype torch.float32; expected integers"):
        group_statistics(yes, yes, torch.zeros(2))
    with pytest.raises(UsageError, match=r"group_ids has shape \(3,\); expected \(N,\) = \(2,\)"):
        group_statistics(yes, yes, torch.zeros(3).long())
    with pytest.raises(UsageError, match=r"rewards has shape \(2, 1\)"):
        group_statistics(yes, yes, ids, torch.zeros(2, 1))

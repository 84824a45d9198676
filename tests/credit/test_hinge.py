import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import Rule, group_statistics, make_rule, signed_credit
from counterpoise.errors import ConfigError, DataError


def apply(
    rule: Rule, rewards: list[float], ids: list[int] | None = None, scored: list[bool] | None = None
) -> torch.Tensor:
    values = torch.tensor(rewards, dtype=torch.float64)
    mask = torch.tensor(scored if scored is not None else [True] * len(rewards))
    groups = torch.tensor(ids if ids is not None else [0] * len(rewards))
    return rule(values, group_statistics((values > 0) & mask, mask, groups, torch.where(mask, values, 0.0)))


def test_graded_rewards_are_pushed_by_their_distance_from_the_threshold() -> None:
    rule = make_rule("hinge", low=0.0, high=1.0, tau=0.6, minus_power=2.0)
    # (0.8 - 0.6) / 0.4; ((0.6 - 0.3) / 0.6)^2; at the threshold nothing
    assert apply(rule, [0.8, 0.3, 0.6, 1.0, 0.0]).tolist() == pytest.approx([0.5, -0.25, 0.0, 1.0, -1.0])


def test_the_threshold_is_the_middle_unless_it_is_set() -> None:
    assert apply(make_rule("hinge", low=0.0, high=1.0), [0.75, 0.0]).tolist() == [0.5, -1.0]


def test_a_group_s_quantile_as_threshold() -> None:
    rule = make_rule("hinge", low=0.0, high=1.0, threshold="group_quantile")
    # medians 0.5 and 1: a group at the top of its range has no room above, and nothing below
    assert apply(rule, [0.25, 0.5, 0.75, 1.0, 1.0], [0, 0, 0, 1, 1]).tolist() == [-0.5, 0.0, 0.5, 0.0, 0.0]


def test_nu_gives_the_group_s_negative_mass_to_its_better_rollouts() -> None:
    rule = make_rule("hinge", lambda_=0.0, low=0.0, high=1.0, tau=0.5, nu=0.5)
    # taken: 1 + 0.5; given: half of it, as 1 : 0.5
    assert apply(rule, [1.0, 0.75, 0.0, 0.25]).tolist() == pytest.approx([0.5, 0.25, -1.0, -0.5])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 4)), min_size=1, max_size=30))
def test_with_nu_one_a_group_with_a_better_rollout_sums_to_zero(rows: list[tuple[float, int]]) -> None:
    rewards, ids = [row[0] for row in rows], [row[1] for row in rows]
    credit = apply(make_rule("hinge", lambda_=0.0, nu=1.0), rewards, ids).tolist()
    for group in set(ids):
        own = [value for value, other in zip(credit, ids, strict=True) if other == group]
        if max(own) > 0:
            assert sum(own) == pytest.approx(0.0, abs=1e-9)


def test_with_nu_one_binary_rewards_give_maxrl_where_a_group_has_a_success() -> None:
    rewards = [1.0, -1.0, -1.0, -1.0, 1.0, 1.0, -1.0]
    ids = [0, 0, 0, 0, 1, 1, 1]
    nu = apply(make_rule("hinge", lambda_=0.0, nu=1.0), rewards, ids)
    assert nu.tolist() == pytest.approx(apply(make_rule("maxrl"), rewards, ids).tolist())
    alone = apply(make_rule("hinge", lambda_=0.0, nu=1.0), [-1.0, -1.0])
    assert alone.tolist() == [-1.0, -1.0]  # MaxRL drops such a group, negative reinforcement does not


def test_unscored_rows_neither_take_nor_give() -> None:
    rule = make_rule("hinge", lambda_=0.0, nu=1.0)
    credit = apply(rule, [1.0, -1.0, float("nan")], scored=[True, True, False])
    assert credit[:2].tolist() == [1.0, -1.0]


def test_soft_is_the_expectation_over_the_verdict() -> None:
    assert apply(make_rule("soft", low=0.0, high=1.0), [1.0, 0.5, 0.0, 0.75]).tolist() == [1.0, 0.0, -1.0, 0.5]
    weighted = apply(make_rule("weighted_reinforce"), [1.0, -1.0])
    assert torch.equal(apply(make_rule("soft", lambda_=0.1), [1.0, -1.0]), weighted)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=10), st.floats(0.01, 100))
def test_soft_is_hinge_at_a_threshold_of_its_own(rewards: list[float], weight: float) -> None:
    # above tau = low + 2 / (1 + l): l c - (1 - c) = (1 + l) (r - tau) / 2 = l (r - tau) / (high - tau)
    hinge = make_rule("hinge", lambda_=weight, tau=-1 + 2 / (1 + weight))
    torch.testing.assert_close(apply(make_rule("soft", lambda_=weight), rewards), apply(hinge, rewards))


def test_correct_only_keeps_high_rewards_of_wrong_answers_from_being_pushed_up() -> None:
    rewards = torch.tensor([1.0, 0.9, 0.2, 0.9], dtype=torch.float64)
    correct = torch.tensor([True, False, False, True])
    statistics = group_statistics(correct, torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.int64), rewards)
    rule = make_rule("hinge", low=0.0, tau=0.5, correct_only=True)
    assert rule(rewards, statistics).tolist() == pytest.approx([1.0, 0.0, -0.6, 0.8])
    # what nu gives goes to correct rollouts alone: 0.6 as 1 : 0.8
    shared = make_rule("hinge", low=0.0, tau=0.5, correct_only=True, lambda_=0.0, nu=1.0)
    assert shared(rewards, statistics).tolist() == pytest.approx([0.6 / 1.8, 0.0, -0.6, 0.48 / 1.8])


def test_a_threshold_of_each_rollout_s_own() -> None:
    rule = make_rule("hinge", low=0.0, threshold="ema")
    rewards = torch.tensor([0.5, 0.5], dtype=torch.float64)
    statistics = group_statistics(
        rewards > 1, torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.int64), rewards
    )
    # (0.5 - 0.25) / 0.75 and (0.75 - 0.5) / 0.75
    found = rule.at(torch.tensor([0.25, 0.75]).double())(rewards, statistics)  # type: ignore[attr-defined]
    assert found.tolist() == pytest.approx([1 / 3, -1 / 3])


def test_plus_and_minus_stay_apart() -> None:
    rewards = torch.linspace(-1, 1, 9, dtype=torch.float64)
    credit = signed_credit(
        rewards=rewards,
        correct=rewards > 0.9,
        scored=torch.ones(9, dtype=torch.bool),
        group_ids=torch.zeros(9, dtype=torch.int64),
        rule=make_rule("hinge", tau=0.25),
    )
    assert float((credit.plus * credit.minus).abs().max()) == 0.0
    assert (credit.plus > 0).tolist() == [False] * 6 + [True] * 3


def test_impossible_settings_and_rewards_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"hinge: tau = 1.0; expected a number in \(-1, 1\)"):
        make_rule("hinge", tau=1.0)
    with pytest.raises(
        DataError, match=r"hinge: the reward of rollout 1 is 2, outside \[-1, 1\]; set the rule's low and high"
    ):
        apply(make_rule("hinge"), [0.0, 2.0])
    with pytest.raises(DataError, match=r"soft: the reward of rollout 0 is -1, outside \[0, 1\]"):
        apply(make_rule("soft", low=0.0, high=1.0), [-1.0])

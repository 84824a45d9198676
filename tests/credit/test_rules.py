import math
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from counterpoise.credit import RULES, Needs, Rule, group_statistics, make_rule, needs_of
from counterpoise.errors import ConfigError

PLAIN = sorted(name for name in RULES if not needs_of(name) & (Needs.CRITIC | Needs.PARTS))

SETTINGS = {"passk": {"k": 2}}
HALF_SHARE = ("grpo", "dr_grpo", "rloo", "maxrl", "passk")
"""Rules with f+/f- = (1-p)/p, whose positive and negative mass are equal in every group."""

GROUPS = st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=6)


def apply(rule: Rule, *groups: list[bool], rewards: list[float] | None = None) -> list[list[float]]:
    """Signed credit of whole groups, every rollout scored, with rewards in {-1, +1} unless they are given."""
    flat = [verdict for group in groups for verdict in group]
    correct = torch.tensor(flat, dtype=torch.bool)
    ids = torch.tensor([7 - 2 * i for i, group in enumerate(groups) for _ in group])
    values = correct.double() * 2 - 1 if rewards is None else torch.tensor(rewards, dtype=torch.float64)
    scored = torch.ones(len(flat), dtype=torch.bool)
    credit = rule(values, group_statistics(correct, scored, ids, values)).tolist()
    sizes = [len(group) for group in groups]
    return [credit[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(groups))]


def group(n: int, c: int) -> list[bool]:
    return [True] * c + [False] * (n - c)


def of(name: str, n: int, c: int, **settings: object) -> tuple[float, float]:
    """Credit of a correct and of a wrong rollout in a mixed group."""
    credit = apply(make_rule(name, **settings), group(n, c))[0]
    return credit[0], credit[-1]


def test_verdict_rules_ignore_the_group() -> None:
    groups = ([True], [False, False], [True, False])
    assert apply(make_rule("psr"), *groups) == [[1.0], [0.0, 0.0], [1.0, 0.0]]
    assert apply(make_rule("nsr"), *groups) == [[0.0], [-1.0, -1.0], [0.0, -1.0]]
    assert apply(make_rule("reinforce"), *groups) == [[1.0], [-1.0, -1.0], [1.0, -1.0]]
    assert apply(make_rule("weighted_reinforce"), *groups) == [[0.1], [-1.0, -1.0], [0.1, -1.0]]
    assert apply(make_rule("asymmetric", b=0.25), *groups) == [[0.75], [-0.25, -0.25], [0.75, -0.25]]


@hypothesis_settings(max_examples=20, deadline=None)
@given(GROUPS, st.floats(0, 4))
def test_weighted_reinforce_spans_nsr_reinforce_and_asymmetric(groups: list[list[bool]], weight: float) -> None:
    weighted = make_rule("weighted_reinforce", **{"lambda": weight})
    assert apply(make_rule("weighted_reinforce", lambda_=1.0), *groups) == apply(make_rule("reinforce"), *groups)
    assert apply(make_rule("weighted_reinforce", lambda_=0.0), *groups) == apply(make_rule("nsr"), *groups)
    shifted = apply(make_rule("asymmetric", b=1 / (1 + weight)), *groups)
    for left, right in zip(apply(weighted, *groups), shifted, strict=True):
        assert left == pytest.approx([(1 + weight) * a for a in right], abs=1e-12)


@pytest.mark.parametrize("name", HALF_SHARE)
@hypothesis_settings(max_examples=20, deadline=None)
@given(groups=GROUPS)
def test_a_mean_baseline_gives_both_signs_the_same_mass_in_every_group(name: str, groups: list[list[bool]]) -> None:
    groups = [*groups, group(4, 2)]  # pass@k training needs one group above k
    for credit in apply(make_rule(name, **SETTINGS.get(name, {})), *groups):
        assert abs(math.fsum(credit)) <= 1e-12 * max(1.0, math.fsum(map(abs, credit)))


@pytest.mark.parametrize("name", HALF_SHARE)
@hypothesis_settings(max_examples=20, deadline=None)
@given(n=st.integers(4, 12), data=st.data())
def test_the_polarity_share_is_one_half_and_the_ratio_of_weights_is_failure_over_success(
    name: str, n: int, data: st.DataObject
) -> None:
    c = data.draw(st.integers(1, n - 2))
    up, down = of(name, n, c, **SETTINGS.get(name, {}))
    p = c / n
    assert up > 0 > down
    assert up / -down == pytest.approx((1 - p) / p, rel=1e-12)
    assert p * up / (p * up - (1 - p) * down) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_the_polarity_share_of_weighted_reinforce_depends_on_the_success_rate(weight: float) -> None:
    up, down = of("weighted_reinforce", 8, 2, lambda_=weight)
    # lambda p / (lambda p + 1 - p) at p = 1/4
    assert 0.25 * up / (0.25 * up - 0.75 * down) == pytest.approx(weight / (weight + 3), abs=1e-15)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ddof": 0, "eps": 0.0}, 2.6457513110645907),  # (7/8) / sqrt(7/64) = sqrt(7)
        ({"ddof": 1, "eps": 0.0}, 2.4748737341529163),  # (7/8) / sqrt(1/8)
        ({"ddof": 1, "eps": 1e-6}, 0.875 / (math.sqrt(0.125) + 1e-6)),
        ({"ddof": 1, "eps": 1e-4}, 0.875 / (math.sqrt(0.125) + 1e-4)),
        ({"ddof": 0, "eps": 1e-4, "eps_to": "variance"}, 0.875 / math.sqrt(7 / 64 + 1e-4)),
    ],
)
def test_one_success_in_eight_under_the_named_conventions(settings: dict[str, object], expected: float) -> None:
    assert of("grpo", 8, 1, **settings)[0] == pytest.approx(expected, rel=1e-14)
    assert 2.47 <= of("grpo", 8, 1, **settings)[0] <= 2.65


def test_the_default_convention_of_grpo_is_ddof_1_and_eps_1e_6_beside_the_std() -> None:
    assert of("grpo", 8, 1) == of("grpo", 8, 1, ddof=1, eps=1e-6, eps_to="std", scale="zero_one")


@pytest.mark.parametrize(("n", "c"), [(n, c) for n in range(1, 9) for c in range(n + 1)])
def test_rloo_is_the_reward_less_the_mean_of_the_others(n: int, c: int) -> None:
    rewards = [Fraction(int(v)) for v in group(n, c)]
    expected = [float(r - (sum(rewards) - r) / (n - 1)) if n > 1 else 0.0 for r in rewards]
    assert apply(make_rule("rloo"), group(n, c))[0] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("n", "c"), [(n, c) for n in range(1, 9) for c in range(n + 1)])
def test_maxrl_is_the_reward_less_the_mean_over_the_mean(n: int, c: int) -> None:
    p = Fraction(c, n)
    expected = [float((int(v) - p) / p) if c else 0.0 for v in group(n, c)]
    assert apply(make_rule("maxrl"), group(n, c))[0] == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [6, 8])
def test_passk_averages_the_normalised_reward_of_the_subsets_a_rollout_is_in(n: int, k: int) -> None:
    for c in range(n + 1):
        verdicts = group(n, c)
        subsets = list(combinations(range(n), k))
        value = {s: Fraction(int(any(verdicts[i] for i in s))) for s in subsets}
        mean = sum(value.values()) / len(subsets)
        variance = mean * (1 - mean)
        credit = apply(make_rule("passk", k=k), verdicts)[0]
        for i in range(n):
            mine = [value[s] - mean for s in subsets if i in s]
            expected = float(sum(mine) / len(mine)) / math.sqrt(variance) if variance else 0.0
            assert credit[i] == pytest.approx(expected, abs=1e-12)
        rho = 1 - Fraction(comb(n - c, k), comb(n, k))
        if 0 < rho < 1:
            assert credit[0] == pytest.approx(float(1 - rho) / math.sqrt(rho * (1 - rho)), abs=1e-12)


def test_passk_with_k_1_is_grpo_without_correction() -> None:
    for c in range(1, 8):
        assert of("passk", 8, c, k=1) == pytest.approx(of("grpo", 8, c, ddof=0, eps=0.0), rel=1e-13)


def test_passk_is_zero_for_a_group_with_fewer_scored_rollouts_than_k() -> None:
    assert apply(make_rule("passk", k=3), [True, False], group(6, 1))[0] == [0.0, 0.0]


def test_passk_refuses_a_k_that_makes_every_credit_zero() -> None:
    with pytest.raises(ConfigError, match="k = 4 needs groups of more than 4 rollouts; the largest here has 4"):
        apply(make_rule("passk", k=4), group(4, 2))


def test_ngrpo_adds_one_virtual_success() -> None:
    # the paper's example, one success in eight: 1.76 and -0.50; here from [1, 1, 0 x 7] with ddof 1
    augmented = torch.tensor([1.0, 1.0] + [0.0] * 7, dtype=torch.float64)
    up, down = of("ngrpo", 8, 1, eps=0.0)
    assert up == pytest.approx(float((1 - augmented.mean()) / augmented.std()), rel=1e-14)
    assert down == pytest.approx(float(-augmented.mean() / augmented.std()), rel=1e-14)
    assert (round(up, 2), round(down, 2)) == (1.76, -0.5)


def test_ngrpo_pushes_an_all_wrong_group_down_and_leaves_an_all_right_one() -> None:
    wrong, right = apply(make_rule("ngrpo", eps=0.0, ddof=0), group(3, 0), group(3, 3))
    assert wrong == pytest.approx([-0.25 / math.sqrt(3 / 16)] * 3)  # p' = 1/4, var = 3/16
    assert right == [0.0] * 3


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "rloo"])
def test_a_group_of_one_and_groups_without_variance_get_nothing_from_a_mean_baseline(name: str) -> None:
    assert apply(make_rule(name), [True], [False], group(4, 0), group(4, 4)) == [[0.0], [0.0], [0.0] * 4, [0.0] * 4]


def test_an_all_wrong_group_is_full_signal_for_nsr_and_an_all_right_one_for_psr() -> None:
    assert apply(make_rule("nsr"), group(3, 0)) == [[-1.0] * 3]
    assert apply(make_rule("psr"), group(3, 3)) == [[1.0] * 3]


def test_the_scale_says_which_reward_is_centred() -> None:
    # rewards in {-1, +1}: r - mean doubles; the normalised rule differs through eps alone
    assert of("dr_grpo", 4, 1, scale="as_given") == (1.5, -0.5)
    assert of("dr_grpo", 4, 1) == (0.75, -0.25)
    assert of("rloo", 4, 1, scale="as_given") == pytest.approx((2.0, -2 / 3), rel=1e-15)
    assert of("grpo", 4, 1, eps=0.0, scale="as_given") == pytest.approx(of("grpo", 4, 1, eps=0.0), rel=1e-15)


def test_a_graded_reward_can_push_a_correct_rollout_down() -> None:
    credit = apply(make_rule("dr_grpo", scale="as_given"), [True, False], rewards=[0.25, 0.75])[0]
    assert credit == [-0.25, 0.25]


@pytest.mark.parametrize("name", PLAIN)
@hypothesis_settings(max_examples=20, deadline=None)
@given(groups=GROUPS, seed=st.integers(0, 100))
def test_credit_does_not_depend_on_the_order_of_rollouts_or_the_group_ids(
    name: str, groups: list[list[bool]], seed: int
) -> None:
    groups = [*groups, group(4, 2)]
    rule = make_rule(name, **SETTINGS.get(name, {}))
    correct = torch.tensor([v for g in groups for v in g])
    ids = torch.tensor([i for i, g in enumerate(groups) for _ in g])
    rewards, scored = correct.double() * 2 - 1, torch.ones_like(correct)
    straight = rule(rewards, group_statistics(correct, scored, ids, rewards))
    order = torch.randperm(len(correct), generator=torch.Generator().manual_seed(seed))
    relabelled = (1000 - 3 * ids)[order]
    shuffled = rule(rewards[order], group_statistics(correct[order], scored, relabelled, rewards[order]))
    torch.testing.assert_close(shuffled, straight[order], rtol=0, atol=1e-14)

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from counterpoise.credit import (
    EMPHASES,
    RULES,
    Needs,
    group_statistics,
    make_emphasis,
    make_rule,
    needs_of,
    signed_credit,
)
from counterpoise.credit.registry import check_emphasis
from counterpoise.credit.rules.gdpo import Gdpo, gdpo
from counterpoise.errors import ConfigError, UnknownNameError

REQUIRED = {"passk": {"k": 2}, "gdpo": {"dimensions": {"verdict": 1.0}, "whiten": "none"}}


def weights(name: str, n: int, c: int, **settings: float) -> float:
    correct = torch.arange(n) < c
    statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
    return float(make_emphasis(name, **settings)(statistics)[0])


def test_the_formulas_at_one_in_four() -> None:
    assert weights("none", 4, 1) == 1.0
    assert weights("focal", 4, 1, gamma=2.0) == 0.5625  # (3/4)^2
    assert weights("inverse", 4, 1) == 4.0
    assert weights("inverse_sqrt", 4, 1) == pytest.approx(4 / math.sqrt(3), rel=1e-15)  # 1 / sqrt(3/16)
    assert weights("mad", 4, 1) == pytest.approx(8 / 3, rel=1e-15)  # 1 / (2 * 3/16)


def test_mad_divides_by_the_mean_absolute_deviation_of_the_success_indicator() -> None:
    r = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    assert weights("mad", 5, 2) == pytest.approx(1 / float((r - r.mean()).abs().mean()), rel=1e-15)


@pytest.mark.parametrize(
    ("name", "all_wrong", "all_right"),
    [("none", 1, 1), ("focal", 1, 0), ("inverse", 1, 1), ("inverse_sqrt", 1, 1), ("mad", 1, 1)],
)
def test_the_ends_are_finite_and_named(name: str, all_wrong: float, all_right: float) -> None:
    assert (weights(name, 3, 0), weights(name, 3, 3)) == (all_wrong, all_right)


@pytest.mark.parametrize("name", ["inverse", "inverse_sqrt", "mad"])
def test_the_value_at_a_pole_is_a_setting(name: str) -> None:
    assert weights(name, 3, 0, at_pole=0.0) == 0.0


def test_focal_with_exponent_zero_is_none() -> None:
    assert [weights("focal", 4, c, gamma=0.0) for c in range(5)] == [1.0] * 5


@pytest.mark.parametrize("name", sorted(EMPHASES))
@hypothesis_settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 10), data=st.data())
def test_emphasis_does_not_move_the_polarity_share_of_a_group(name: str, n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    correct = torch.arange(n) < c
    rows = {
        "rewards": correct.double() * 2 - 1,
        "correct": correct,
        "scored": torch.ones(n).bool(),
        "group_ids": torch.zeros(n).long(),
        "rule": make_rule("weighted_reinforce"),
    }
    plain, weighed = signed_credit(**rows), signed_credit(**rows, emphasis=make_emphasis(name))
    scale = weights(name, n, c)
    torch.testing.assert_close(weighed.plus, plain.plus * scale)
    torch.testing.assert_close(weighed.minus, plain.minus * scale)


def test_bad_names_and_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown credit.emphasis 'inverse_root'; did you mean 'inverse_sqrt'"):
        make_emphasis("inverse_root")
    for name, setting in (("focal", "gamma"), ("inverse", "at_pole"), ("inverse_sqrt", "at_pole"), ("mad", "at_pole")):
        with pytest.raises(
            ConfigError, match=rf"credit.emphasis {name}: {setting} = -1; expected a number in \[0, inf\)"
        ):
            make_emphasis(name, **{setting: -1})


def gap(rule: str, c: int) -> float:
    """How far a right and a wrong rollout are apart in a group of eight with c successes: what the rule counts the group."""
    rows = {
        "correct": torch.arange(8) < c,
        "scored": torch.ones(8).bool(),
        "group_ids": torch.zeros(8).long(),
    }
    rewards = rows["correct"].double() * 2 - 1
    made = make_rule(rule, **REQUIRED.get(rule, {}))
    if isinstance(made, Gdpo):
        values, _ = gdpo(rewards[:, None], rows["scored"], rows["group_ids"], rule=made)
    else:
        values = made(rewards, group_statistics(**rows, rewards=rewards))
    return float(values[0] - values[-1])


@pytest.mark.parametrize("rule", [name for name in RULES if Needs.CRITIC not in needs_of(name)])
@pytest.mark.parametrize("emphasis", sorted(EMPHASES))
def test_what_the_rule_divides_by_is_not_divided_by_again(rule: str, emphasis: str) -> None:
    both = (make_rule(rule, **REQUIRED.get(rule, {})), make_emphasis(emphasis))
    # a rule that counts hard groups more, and an emphasis that does: by the square together
    twice = gap(rule, 1) > 1.001 * gap(rule, 4) and weights(emphasis, 8, 1) > 1
    refused = None
    try:
        check_emphasis(*both)
    except ConfigError as error:
        refused = str(error)
    assert (refused is not None) is twice, "`divides` of a rule or an emphasis says whether it counts hard groups more"
    assert refused is None or f"credit.emphasis={emphasis} divides" in refused
    assert refused is None or f"credit.rule={rule} has done so already" in refused


def test_plain_tensors_are_not_divided_twice_either() -> None:
    row = torch.ones(1)
    with pytest.raises(ConfigError, match=r"emphasis=inverse divides .* credit.rule=maxrl has done so already"):
        signed_credit(
            rewards=row, correct=row.bool(), scored=row.bool(), group_ids=row.long(), rule=make_rule("maxrl"),
            emphasis=make_emphasis("inverse"),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("emphasis", "rule", "settings"), [("inverse", "maxrl", {}), ("inverse_sqrt", "grpo", {"ddof": 0, "eps": 0.0})]
)
def test_what_the_refusal_says_of_dr_grpo_is_so(emphasis: str, rule: str, settings: dict[str, float]) -> None:
    correct = torch.tensor([1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]).bool()
    rows = {
        "rewards": correct.double() * 2 - 1,
        "correct": correct,
        "scored": torch.ones(16).bool(),
        "group_ids": torch.arange(4).repeat_interleave(4),
    }
    one = signed_credit(**rows, rule=make_rule("dr_grpo"), emphasis=make_emphasis(emphasis))
    other = signed_credit(**rows, rule=make_rule(rule, **settings))
    torch.testing.assert_close(one.advantages, other.advantages, rtol=1e-6, atol=1e-7)

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import RULES, Needs, Rule, make_emphasis, make_rule, needs_of, signed_credit
from counterpoise.credit.groups import GroupStatistics
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.types import Credit

PLAIN = sorted(name for name in RULES if not needs_of(name) & (Needs.CRITIC | Needs.PARTS))

SETTINGS = {"passk": {"k": 2}}
VERDICTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("+-?")), min_size=1, max_size=30)


def rows(verdicts: str, ids: list[int] | None = None) -> dict[str, Any]:
    """`+` correct, `-` wrong, `?` unscored with a NaN reward; one group unless ids are given."""
    value = {"+": 1.0, "-": -1.0, "?": math.nan}
    return {
        "rewards": torch.tensor([value[v] for v in verdicts], dtype=torch.float64),
        "correct": torch.tensor([v == "+" for v in verdicts]),
        "scored": torch.tensor([v != "?" for v in verdicts]),
        "group_ids": torch.tensor(ids if ids is not None else [0] * len(verdicts)),
    }


def credit(name: str, verdicts: str, ids: list[int] | None = None, **arguments: Any) -> Credit:
    return signed_credit(**rows(verdicts, ids), rule=make_rule(name, **SETTINGS.get(name, {})), **arguments)


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=20, deadline=None)
@given(verdicts=VERDICTS, up=st.floats(0, 3), down=st.floats(0, 3))
def test_the_signs_are_disjoint_non_negative_and_make_the_advantage(
    name: str, verdicts: list[tuple[int, str]], up: float, down: float
) -> None:
    verdicts = [*verdicts, (9, "+"), (9, "-"), (9, "-")]
    ids, marks = [i for i, _ in verdicts], "".join(v for _, v in verdicts)
    given_rows = rows(marks, ids)
    result = credit(name, marks, ids, lambda_plus=up, lambda_minus=down)
    assert result.plus.dtype == result.minus.dtype == torch.float32
    assert bool((result.plus >= 0).all()) and bool((result.minus >= 0).all())
    assert bool((result.plus * result.minus == 0).all())
    assert torch.equal(result.advantages, result.plus - result.minus)
    assert not bool(result.nonzero[~given_rows["scored"]].any())
    plain = credit(name, marks, ids)
    torch.testing.assert_close(result.plus, plain.plus * up)
    torch.testing.assert_close(result.minus, plain.minus * down)


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=20, deadline=None)
@given(verdicts=VERDICTS, seed=st.integers(0, 99))
def test_unscored_rows_leave_no_trace(name: str, verdicts: list[tuple[int, str]], seed: int) -> None:
    verdicts = [*verdicts, (9, "+"), (9, "-"), (9, "-")]
    kept = [i for i, (_, v) in enumerate(verdicts) if v != "?"]
    ids, marks = [i for i, _ in verdicts], "".join(v for _, v in verdicts)
    everything = credit(name, marks, ids)
    alone = credit(name, "".join(marks[i] for i in kept), [ids[i] for i in kept])
    assert torch.equal(everything.advantages[kept], alone.advantages)


@pytest.mark.parametrize("name", PLAIN)
def test_a_batch_without_a_single_score_has_no_credit(name: str) -> None:
    assert credit(name, "???").advantages.tolist() == [0.0] * 3


def test_lambdas_can_differ_by_rollout() -> None:
    weights = torch.tensor([0.1, 2.0, 2.0], dtype=torch.float64)
    result = credit("reinforce", "+-+", lambda_plus=weights, lambda_minus=weights)
    assert result.advantages.tolist() == pytest.approx([0.1, -2.0, 2.0])


def test_a_lambda_of_zero_switches_a_sign_off() -> None:
    assert torch.equal(credit("reinforce", "+-+", lambda_plus=0.0).advantages, credit("nsr", "+-+").advantages)
    assert torch.equal(credit("reinforce", "+-+", lambda_minus=0.0).advantages, credit("psr", "+-+").advantages)


def test_emphasis_and_lambda_multiply() -> None:
    # one in two, 1/p = 2: 2 * 0.5 * 1 and 2 * 1 * 1
    result = credit("reinforce", "+-", emphasis=make_emphasis("inverse"), lambda_plus=0.5)
    assert result.advantages.tolist() == [1.0, -2.0]


def test_the_cap_bounds_the_share_of_the_all_wrong_groups() -> None:
    # minus: 4 rows in the all-wrong group, 1 elsewhere; 1/2 of the mass is 1 row's worth, 0.25 each
    result = credit("nsr", "----+-", [0, 0, 0, 0, 1, 1], all_wrong_cap=0.5)
    assert result.minus.tolist() == [0.25, 0.25, 0.25, 0.25, 0.0, 1.0]


def test_the_cap_leaves_a_share_that_is_already_below_it() -> None:
    plain = credit("nsr", "-+---", [0, 1, 1, 1, 1])
    assert torch.equal(credit("nsr", "-+---", [0, 1, 1, 1, 1], all_wrong_cap=0.5).minus, plain.minus)
    assert torch.equal(credit("nsr", "--", [0, 0], all_wrong_cap=1.0).minus, torch.ones(2))


def test_the_cap_removes_all_wrong_groups_that_are_all_there_is() -> None:
    assert credit("nsr", "---", all_wrong_cap=0.9).minus.tolist() == [0.0] * 3


@pytest.mark.parametrize("cap", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("cut", [2, 4, 6, 8])
def test_the_cap_is_met_by_the_batch_of_all_processes(cap: float, cut: int) -> None:
    # three all-wrong groups of two and one with a success: the process that holds the former alone has "no other negative mass"
    verdicts, ids = "------+---", [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]
    whole = credit("nsr", verdicts, ids, all_wrong_cap=cap).minus
    parts = [(verdicts[:cut], ids[:cut]), (verdicts[cut:], ids[cut:])] if cut < 8 else [(verdicts, ids), ("+-", [4, 4])]
    seen: list[list[float]] = []

    def note(own: list[list[float]]) -> list[list[float]]:
        seen.extend(own)
        return own

    for part, groups in parts:
        credit("nsr", part, groups, all_wrong_cap=cap, world=SimpleNamespace(gather=note))
    world = SimpleNamespace(gather=lambda _: seen)
    joined = [credit("nsr", part, groups, all_wrong_cap=cap, world=world).minus for part, groups in parts]
    if cut < 8:
        assert torch.allclose(torch.cat(joined), whole)
    else:  # 6 rows all wrong, 3 + 1 elsewhere: cap/(1 - cap) * 4 of 6 are left
        share = 1.0 if cap == 1.0 else cap / (1.0 - cap) * 4.0 / 6.0
        assert joined[0][:6].tolist() == pytest.approx([share] * 6)


@pytest.mark.parametrize("cap", [0.0, 1.1, math.nan, True])
def test_a_cap_outside_its_range_is_refused(cap: float) -> None:
    with pytest.raises(ConfigError, match=r"credit.all_wrong_cap = .*; expected a number in \(0, 1\]"):
        credit("nsr", "--", all_wrong_cap=cap)


def test_a_bad_lambda_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"signed_credit: lambda_plus = -1.0; expected a number in \[0, inf\)"):
        credit("psr", "+-", lambda_plus=-1.0)
    with pytest.raises(UsageError, match="lambda_minus holds -2; weights are finite and >= 0"):
        credit("psr", "+-", lambda_minus=torch.tensor([1.0, -2.0]))
    with pytest.raises(UsageError, match=r"lambda_minus has shape \(1,\); expected a number or \(2,\)"):
        credit("psr", "+-", lambda_minus=torch.tensor([1.0]))


class Fixed:
    def __init__(self, *values: Any) -> None:
        self.values = values

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        return torch.tensor(self.values, dtype=torch.float64)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_credit_that_is_not_finite_in_float32_is_refused_with_its_row(value: float) -> None:
    rule: Rule = Fixed(1.0, value)
    with pytest.raises(TrainingError, match=r"credit of 1 of 2 rollouts is not finite, first rollout 1 \(advantage "):
        signed_credit(**rows("+-"), rule=rule)


def test_what_a_rule_says_of_an_unscored_row_does_not_matter() -> None:
    assert signed_credit(**rows("+?"), rule=Fixed(1.0, math.nan)).advantages.tolist() == [1.0, 0.0]


def test_a_rule_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the rule returned shape \(1,\); expected \(2,\)"):
        signed_credit(**rows("+-"), rule=Fixed(1.0))


def test_credit_is_computed_in_float64_before_it_is_rounded_once() -> None:
    result = credit("rloo", "+" + "-" * 6)  # -1/6 each, rounded once to float32
    assert result.minus[1].item() == float(torch.tensor(1 / 6, dtype=torch.float64).float())


def test_credit_of_tokens_is_weighed_like_credit_of_rollouts() -> None:
    # three tokens, the first of them pushed against the others; the third row has no verdict
    tokens = Fixed([-1.0, 1.0, 0.5], [0.5, -2.0, 0.0], [9.0, math.nan, 9.0], [-1.0, -1.0, 0.0])
    weights = {"lambda_plus": torch.tensor([2.0, 4.0, 1.0, 1.0]), "lambda_minus": 0.5}
    emphasis = make_emphasis("focal", gamma=1.0)  # 1 - p: 1/2 for the first three, 1 for the last
    result = signed_credit(**rows("+-?-", [0, 0, 0, 1]), rule=tokens, emphasis=emphasis, **weights)
    assert result.plus.tolist() == [[0, 1, 0.5], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert result.minus.tolist() == [[0.25, 0, 0], [0, 0.5, 0], [0, 0, 0], [0.5, 0.5, 0]]
    # the group without a success holds 1.0 beside the 0.75 of the other; at a quarter of the whole it holds 0.25
    capped = signed_credit(**rows("+-?-", [0, 0, 0, 1]), rule=tokens, emphasis=emphasis, all_wrong_cap=0.25, **weights)
    assert capped.minus.tolist() == [[0.25, 0, 0], [0, 0.5, 0], [0, 0, 0], [0.125, 0.125, 0]]
    with pytest.raises(TrainingError, match="credit of 1 of 2 rollouts is not finite, first rollout 1"):
        signed_credit(**rows("+-"), rule=Fixed([1.0, 1.0], [math.nan, math.inf]))

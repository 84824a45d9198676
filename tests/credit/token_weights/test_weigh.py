"""What holds for all token weights: where credit goes, what it adds up to, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import (
    TOKEN_WEIGHTS,
    TokenContext,
    TokenWeights,
    make_rule,
    make_token_weights,
    signed_credit,
    token_masses,
    token_weight_metrics,
    weigh_tokens,
)
from counterpoise.errors import ConfigError, DataError, TrainingError, UnknownNameError, UsageError
from counterpoise.types import Credit

LENGTHS = torch.tensor([3, 1, 4, 2, 4, 3])
MASK = torch.arange(4) < LENGTHS[:, None]
CORRECT = torch.tensor([True, False, False, True, False, False])
SCORED = torch.tensor([True, True, True, True, True, False])
GROUPS = torch.tensor([7, 7, 7, 3, 3, 3])


def batch(seed: int) -> TokenContext:
    """Six responses in two groups over an alphabet of two, the last one unscored; the padding holds what must not matter."""
    draw = torch.Generator().manual_seed(seed)
    log_probs = -3 * torch.rand(6, 4, generator=draw)
    log_probs[~MASK] = math.nan
    return TokenContext(
        log_probs=log_probs,
        mask=MASK,
        token_ids=torch.randint(0, 2, (6, 4), generator=draw),
        group_ids=GROUPS,
        correct=CORRECT,
        scored=SCORED,
        entropy=torch.rand(6, 4, generator=draw),
        entropy_slope=torch.randn(6, 4, generator=draw),
    )


def credit_of(rule: str, weights: TokenWeights | None, **arguments: float) -> Credit:
    return signed_credit(
        rewards=torch.where(SCORED, CORRECT.double() * 2 - 1, math.nan),
        correct=CORRECT,
        scored=SCORED,
        group_ids=GROUPS,
        rule=make_rule(rule),
        token_weights=weights,
        **arguments,
    )


@pytest.mark.parametrize("rule", ["nsr", "reinforce", "grpo"])
@pytest.mark.parametrize("name", sorted(TOKEN_WEIGHTS))
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_every_response_keeps_its_mass_or_loses_it_whole(name: str, rule: str, seed: int) -> None:
    weights = make_token_weights(name)(batch(seed))
    plain, weighed = credit_of(rule, None), credit_of(rule, weights)
    assert weighed.plus.shape == weighed.minus.shape == (6, 4)
    assert weighed.plus.dtype == weighed.minus.dtype == torch.float32
    assert bool((weighed.plus * weighed.minus == 0).all()) and not weighed.nonzero[~MASK].any()
    assert bool((weighed.plus >= 0).all()) and bool((weighed.minus >= 0).all()) and not weighed.nonzero[~SCORED].any()
    for before, after, u in zip(
        token_masses(plain, LENGTHS), token_masses(weighed, LENGTHS), (weights.plus, weights.minus), strict=True
    ):
        kept = (u * MASK).sum(dim=1) > 0
        torch.testing.assert_close(after, torch.where(kept, before, 0.0), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["probability", "advantage_reweighting", "unlikelihood"])
@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_the_polarity_share_by_tokens_does_not_move(name: str, seed: int) -> None:
    shares = []
    for weights in (None, make_token_weights(name)(batch(seed))):
        up, down = (mass.sum() for mass in token_masses(credit_of("weighted_reinforce", weights), LENGTHS))
        shares.append(float(up / (up + down)))
    assert shares[1] == pytest.approx(shares[0], rel=1e-6)


@given(seed=st.integers(0, 10**6), name=st.sampled_from(sorted(TOKEN_WEIGHTS)), normalise=st.booleans())
def test_credit_by_token_keeps_its_mass_too(seed: int, name: str, normalise: bool) -> None:
    # a critic's credit: both signs in one response
    advantages = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed + 1)).double() * MASK * SCORED[:, None]
    credit = Credit(plus=advantages.relu(), minus=(-advantages).relu())
    options = {} if name == "none" else {"normalise": normalise}
    weights = make_token_weights(name, **options)(batch(seed))
    weighed = weigh_tokens(credit, weights)
    for before, after, u in zip(
        (credit.plus, credit.minus), (weighed.plus, weighed.minus), (weights.plus, weights.minus), strict=True
    ):
        assert not after[before == 0].any()
        if weights.normalise:
            expected = torch.where((before * u).sum(dim=1) > 0, before.sum(dim=1), 0.0)
            torch.testing.assert_close(after.double().sum(dim=1), expected, rtol=1e-6, atol=0)
        else:
            torch.testing.assert_close(after, (before * u).float())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("none", {}),
        ("probability", {"a": 0}),
        ("advantage_reweighting", {"a": 0}),
        ("probability_floor", {"floor": 0}),
        ("entropy_top", {"share": 1}),
    ],
)
@pytest.mark.parametrize("rule", ["nsr", "weighted_reinforce", "grpo"])
def test_a_weight_that_does_nothing_is_none_bit_for_bit(name: str, options: dict[str, float], rule: str) -> None:
    for seed in range(20):
        plain, weighed = credit_of(rule, None), credit_of(rule, make_token_weights(name, **options)(batch(seed)))
        assert torch.equal(weighed.plus, torch.where(MASK, plain.plus[:, None], 0.0))
        assert torch.equal(weighed.minus, torch.where(MASK, plain.minus[:, None], 0.0))


@pytest.mark.parametrize(
    "name", ["probability", "advantage_reweighting", "unlikelihood", "entropy_top", "probability_floor"]
)
def test_the_other_sign_is_left_alone(name: str) -> None:
    plain = credit_of("reinforce", None)
    options = {"floor": 0.3} if name == "probability_floor" else {}
    for signs in ("plus", "minus"):
        weighed = credit_of("reinforce", make_token_weights(name, signs=signs, **options)(batch(3)))
        other = "minus" if signs == "plus" else "plus"
        assert torch.equal(getattr(weighed, other), torch.where(MASK, getattr(plain, other)[:, None], 0.0))
        assert not torch.equal(getattr(weighed, signs), torch.where(MASK, getattr(plain, signs)[:, None], 0.0))


def test_the_lambdas_scale_weighted_credit_and_the_cap_is_met_by_it() -> None:
    weights = make_token_weights("probability", normalise=False)(batch(0))
    one, weighed = credit_of("reinforce", weights), credit_of("reinforce", weights, lambda_plus=0.5, lambda_minus=2.0)
    torch.testing.assert_close(weighed.plus, 0.5 * one.plus)
    torch.testing.assert_close(weighed.minus, 2.0 * one.minus)
    alone = torch.tensor([0, 0, 1, 2, 2, 2])  # row 2 is a group without a success
    capped = signed_credit(
        rewards=CORRECT.double(),
        correct=CORRECT,
        scored=SCORED,
        group_ids=alone,
        rule=make_rule("nsr"),
        token_weights=weights,
        all_wrong_cap=0.25,
    )
    assert float(capped.minus[2].sum() / capped.minus.sum()) == pytest.approx(0.25)
    torch.testing.assert_close(capped.minus[[1, 4]], one.minus[[1, 4]])


def test_weights_by_hand() -> None:
    credit = Credit(plus=torch.tensor([2.0, 0.0]), minus=torch.tensor([0.0, 3.0]))
    u = torch.tensor([[1.0, 3.0, 9.0], [0.0, 0.0, 0.0]])
    weights = TokenWeights(
        plus=u, minus=u, mask=torch.tensor([[True, True, False], [True, True, True]]), normalise=True
    )
    weighed = weigh_tokens(credit, weights)
    assert weighed.plus.tolist() == [[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]  # 2 (1, 3) / mean(1, 3)
    assert not weighed.minus.any()  # all weights 0: the row has lost its credit


def test_what_weights_took_away_is_counted() -> None:
    before = Credit(plus=torch.tensor([1.0, 0.0, 0.0]), minus=torch.tensor([0.0, 1.0, 1.0]))
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    after = Credit(
        plus=torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
        minus=torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
    )
    found = token_weight_metrics(before, after, mask)
    assert {name: (value.total, value.count) for name, value in found.items()} == {
        "token_weight_zero_plus": (1, 2),
        "token_weight_zero_minus": (1, 3),
        "token_weight_lost": (1, 3),
    }


def test_credit_that_is_not_finite_is_still_refused() -> None:
    with pytest.raises(TrainingError, match="the credit of 2 of 6 rollouts is not finite"):
        credit_of("reinforce", make_token_weights("probability")(batch(0)), lambda_plus=1e308 * 1.7)


def test_weights_that_do_not_fit_are_refused() -> None:
    credit = Credit(plus=torch.zeros(6), minus=torch.ones(6))
    ones = torch.ones(6, 4)
    with pytest.raises(UsageError, match=r"token weights \(6, 3\) and their mask \(6, 4\)"):
        weigh_tokens(credit, TokenWeights(plus=ones[:, :3], minus=ones, mask=MASK, normalise=True))
    with pytest.raises(UsageError, match=r"the weight of token 2 of rollout 0 is -1; weights are finite and >= 0"):
        bad = ones.clone()
        bad[0, 2] = -1
        weigh_tokens(credit, TokenWeights(plus=bad, minus=ones, mask=MASK, normalise=True))


def test_a_context_whose_parts_do_not_fit_is_refused() -> None:
    fields = {name: getattr(batch(0), name) for name in ("mask", "token_ids", "group_ids", "correct", "scored")}
    log_probs = torch.zeros(6, 4)
    with pytest.raises(UsageError, match=r"entropy has shape \(6, 3\); expected \(6, 4\) like log_probs"):
        TokenContext(log_probs=log_probs, entropy=torch.zeros(6, 3), **fields)
    with pytest.raises(UsageError, match=r"log_probs has shape \(5, 4\); expected \(N, T\) with N = 6 rollouts"):
        TokenContext(log_probs=torch.zeros(5, 4), **fields)
    with pytest.raises(UsageError, match=r"mask has dtype torch.int64; expected torch.bool"):
        TokenContext(log_probs=log_probs, **{**fields, "mask": MASK.long()})
    log_probs[2, 1] = -math.inf
    with pytest.raises(DataError, match="the log-probability of token 1 of rollout 2 is -inf"):
        TokenContext(log_probs=log_probs, **fields)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("probability", {"a": -1}, r"credit.token_weights probability: a = -1; expected a number in \[0, inf\)"),
        ("probability", {"signs": "up"}, "signs = 'up'; expected one of: both, plus, minus"),
        ("probability", {"normalise": 1}, "normalise = 1; expected true or false"),
        ("advantage_reweighting", {"a": 1.5}, r"advantage_reweighting: a = 1.5; expected a number in \[0, 1\]"),
        ("unlikelihood", {"cap": 0}, r"unlikelihood: cap = 0; expected a number in \(0, "),
        ("entropy_top", {"share": 0}, "entropy_top: share = 0; expected a number"),
        ("entropy_safe", {"signs": "both"}, "entropy_safe: unknown setting 'signs'; it takes: normalise"),
        ("conflict_mask", {"normalize": False}, "unknown setting 'normalize'; did you mean 'normalise'"),
        ("probability_floor", {"floor": 1}, r"probability_floor: floor = 1; expected a number in \[0, 0.999\]"),
        ("none", {"a": 1}, "credit.token_weights none: unknown setting 'a'; it takes: no settings"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_token_weights(name, **options)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown credit.token_weights 'entropy_save'; did you mean 'entropy_safe'"
    ):
        make_token_weights("entropy_save")


@pytest.mark.parametrize(("name", "what"), [("entropy_top", "entropy"), ("entropy_safe", "entropy slope")])
def test_what_the_sampler_did_not_record_is_asked_for(context, name: str, what: str) -> None:
    weight = make_token_weights(name)
    assert weight.needs_entropy
    with pytest.raises(
        UsageError, match=rf"{name} reads the {what} of every token, .* SamplingSettings\(with_entropy=True\)"
    ):
        weight(context([[-1.0]]))

"""Advantages by their definition: exact fractions, the two ends of lambda, masks, whitening."""

import math
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import Needs, make_rule, needs_of, signed_credit, step_rule
from counterpoise.credit.gae import explained_variance, gae, moments, token_rewards, whiten
from counterpoise.errors import ConfigError, UnknownNameError, UsageError

# dyadic, so that float64 holds every sum and product below exactly
_EIGHTHS = st.integers(-16, 16).map(lambda n: n / 8)
_HALVES = st.sampled_from([0.0, 0.5, 1.0])


def by_definition(rewards, values, *, gamma, lam, after):
    """`A_t = sum_{l >= t} (gamma lam)^(l - t) (r_l + gamma V_(l+1) - V_l)` in O(T^2) fractions."""
    exact = lambda numbers: [Fraction(number) for number in numbers]  # noqa: E731
    r, v, gamma, lam = exact(rewards), [*exact(values), Fraction(after)], Fraction(gamma), Fraction(lam)
    delta = [r[t] + gamma * v[t + 1] - v[t] for t in range(len(r))]
    return [sum((gamma * lam) ** (u - t) * delta[u] for u in range(t, len(r))) for t in range(len(r))]


@given(st.lists(st.tuples(_EIGHTHS, _EIGHTHS, st.booleans()), min_size=1, max_size=6), _HALVES, _HALVES, _EIGHTHS)
def test_every_advantage_is_its_definition_over_the_tokens_inside_the_mask(tokens, gamma, lam, after):
    rewards, values, mask = (torch.tensor([column]) for column in zip(*tokens, strict=True))
    found = gae(rewards, values, mask, gamma=gamma, lam=lam, after=torch.tensor([after]))[0]
    inside = [t for t, (_, _, chosen) in enumerate(tokens) if chosen]
    expected = by_definition(
        [tokens[t][0] for t in inside], [tokens[t][1] for t in inside], gamma=gamma, lam=lam, after=after
    )
    assert [Fraction(found[t].item()) for t in inside] == expected
    assert all(found[t] == 0 for t in range(len(tokens)) if t not in inside)


ROWS = torch.tensor([[True, True, True], [True, True, False]])
VALUES = torch.tensor([[0.25, 0.5, -0.5], [1.0, -0.25, 9.0]])


def test_without_discount_it_is_the_return_less_the_value():
    rewards = token_rewards(torch.tensor([1.0, -1.0]), ROWS)
    assert rewards.tolist() == [[0, 0, 1], [0, -1, 0]]
    assert gae(rewards, VALUES, ROWS, gamma=1.0, lam=1.0).tolist() == [[0.75, 0.5, 1.5], [-2.0, -0.75, 0]]


def test_with_lambda_0_it_is_the_residual_of_one_token():
    rewards = token_rewards(torch.tensor([1.0, -1.0]), ROWS)
    # gamma 1/2: 0.5/2 - 0.25, -0.5/2 - 0.5, 1 + 0.5; -0.25/2 - 1, -1 + 0.25
    assert gae(rewards, VALUES, ROWS, gamma=0.5, lam=0.0).tolist() == [[0.0, -0.75, 1.5], [-1.125, -0.75, 0]]


def test_a_truncated_response_may_go_on_with_the_value_after_it():
    rewards = token_rewards(torch.tensor([1.0, -1.0]), ROWS)
    after = torch.tensor([0.0, 0.5])
    ended = gae(rewards, VALUES, ROWS, gamma=1.0, lam=1.0)
    further = gae(rewards, VALUES, ROWS, gamma=1.0, lam=1.0, after=after)
    assert (further - ended).tolist() == [[0, 0, 0], [0.5, 0.5, 0]]
    # what is outside the mask (9.0) is nobody's next value
    assert gae(rewards, VALUES, ROWS, gamma=1.0, lam=0.0)[1].tolist() == [-1.25, -0.75, 0]


def test_the_reward_is_at_the_last_chosen_token_and_kl_at_every_one():
    mask = torch.tensor([[True, False, True, False], [False, False, False, False]])
    placed = token_rewards(torch.tensor([2.0, 5.0]), mask)
    assert placed.tolist() == [[0, 0, 2, 0], [0, 0, 0, 0]]
    ratio = torch.tensor([[0.5, 7.0, -1.0, 7.0]]).expand(2, 4)
    # 2 - 0.25 * -1 at the last, -0.25 * 0.5 at the first
    assert token_rewards(torch.tensor([2.0, 5.0]), mask, kl=0.25, log_ratio=ratio).tolist() == [
        [-0.125, 0, 2.25, 0],
        [0, 0, 0, 0],
    ]
    assert token_rewards(torch.tensor([math.nan]), mask[:1]).tolist() == [[0, 0, 0, 0]]


@given(
    st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=2, max_size=5), st.sampled_from([0, 1])
)
def test_whitened_advantages_have_mean_0_and_the_named_variance_1(rows, ddof):
    values = torch.tensor(rows, dtype=torch.float64)
    mask = torch.ones(values.shape, dtype=torch.bool)
    mask[0, 0] = False
    measured = moments(values, mask)
    white = whiten(values, mask, measured=measured, ddof=ddof, eps=0.0)
    assert white[0, 0] == 0
    if measured.squares > 1e-9:
        again = moments(white, mask)
        assert again.mean == pytest.approx(0, abs=1e-9)
        assert again.variance(ddof) == pytest.approx(1, rel=1e-9)


def test_whitening_by_hand():
    values, mask = torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[True, True, False]])
    measured = moments(values, mask)
    assert (measured.count, measured.mean, measured.variance(0), measured.variance(1)) == (2, 2, 1, 2)
    # (3 - 2) / sqrt(1 + 3) and / sqrt(2 + 2)
    assert whiten(values, mask, measured=measured, ddof=0, eps=3.0).tolist() == [[-0.5, 0.5, 0]]
    assert whiten(values, mask, measured=measured, ddof=1, eps=2.0).tolist() == [[-0.5, 0.5, 0]]
    equal = torch.full((1, 3), 0.7)
    assert whiten(equal, mask, measured=moments(equal, mask), ddof=1, eps=0.0).tolist() == [[0, 0, 0]]
    nothing = moments(values, torch.zeros(1, 3, dtype=torch.bool))
    assert (nothing.count, nothing.variance(0), math.isnan(nothing.mean)) == (0, 0, True)


def test_two_processes_whiten_like_one():
    whole = torch.tensor([[1.0, 2.0, 4.0], [-3.0, 0.5, 8.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    alone = moments(whole, mask)
    halves = [slice(0, 1), slice(1, 2)]
    sums = [[2.0, 3.0], [3.0, 5.5]]
    assert [[float(mask[half].sum()), whole[half][mask[half]].sum().item()] for half in halves] == sums
    seen = []

    def gather(own):
        """Beside this process's sums, those of the other: its own around the common mean."""
        seen.append(own)
        other = whole[1:][mask[1:]]
        return [*own, [3.0, 5.5] if len(own[0]) == 2 else [((other - 8.5 / 5) ** 2).sum().item()]]

    together = moments(whole[:1], mask[:1], world=SimpleNamespace(gather=gather))
    assert (together.count, together.mean) == (alone.count, alone.mean)
    assert together.squares == pytest.approx(alone.squares)
    assert len(seen) == 2


def test_explained_variance():
    returns, mask = torch.tensor([[1.0, -1.0, 50.0]]), torch.tensor([[True, True, False]])
    assert explained_variance(returns, returns, mask) == 1.0
    assert explained_variance(torch.full((1, 3), 0.3), returns, mask) == 0.0
    # residuals 0.5 and -0.5 around 0: 1 - 0.5 / 2
    assert explained_variance(returns / 2, returns, mask) == 0.75
    assert math.isnan(explained_variance(returns, torch.ones(1, 3), mask))


def test_mistakes_are_named():
    mask = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(UsageError, match=r"values has shape \(2, 4\); expected \(2, 3\) like the mask"):
        gae(torch.zeros(2, 3), torch.zeros(2, 4), mask, gamma=1.0, lam=1.0)
    with pytest.raises(UsageError, match=r"after has shape \(3,\); expected \(2,\), one value per rollout"):
        gae(torch.zeros(2, 3), torch.zeros(2, 3), mask, gamma=1.0, lam=1.0, after=torch.zeros(3))
    with pytest.raises(UsageError, match=r"mask is torch.float32 of shape \(2, 3\); expected torch.bool"):
        gae(torch.zeros(2, 3), torch.zeros(2, 3), mask.float(), gamma=1.0, lam=1.0)
    with pytest.raises(UsageError, match=r"rewards has shape \(3,\); expected \(2, 3\) like the mask"):
        token_rewards(torch.zeros(3), mask)
    with pytest.raises(UsageError, match="got a coefficient and no log_ratio"):
        token_rewards(torch.zeros(2), mask, kl=0.1)


def test_the_settings_of_the_rule_are_checked():
    assert make_rule("ppo").lam == 1.0
    for setting, value in (("gamma", 1.5), ("lam", -0.1), ("ddof", 2), ("eps", -1.0), ("kl", -1.0)):
        with pytest.raises(ConfigError, match=rf"credit.rule ppo: {setting} = {value}; expected"):
            make_rule("ppo", **{setting: value})
    with pytest.raises(ConfigError, match="unknown setting 'lamda'; did you mean 'lam'"):
        make_rule("ppo", lamda=0.9)
    assert needs_of("ppo") is Needs.CRITIC
    one = torch.ones(1)
    with pytest.raises(UsageError, match=r"credit\.rule ppo needs the values of a critic"):
        signed_credit(rewards=one, correct=one.bool(), scored=one.bool(), group_ids=one.long(), rule=make_rule("ppo"))
    with pytest.raises(UsageError, match=r"credit\.rule ppo needs a critic beside the policy"):
        step_rule(make_rule("ppo"))
    with pytest.raises(UnknownNameError, match=r"unknown credit.rule 'pppo'; did you mean 'ppo'\?"):
        make_rule("pppo")

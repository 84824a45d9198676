"""A policy small enough to enumerate: expectations of surrogate gradients against autograd of the objectives themselves."""

import pytest
import torch

from counterpoise.credit import make_rule, signed_credit
from counterpoise.credit.gae import gae, token_rewards
from counterpoise.losses import make_loss

V, T = 3, 3
SEQUENCES = torch.cartesian_prod(*[torch.arange(V)] * T)  # (27, 3)
CORRECT = torch.tensor([int(y.sum()) % 3 == 1 for y in SEQUENCES])  # 9 of 27
SURROGATES = ["reinforce", "ppo_clip", "cispo", "gspo", "topr"]


def parameters(seed: int) -> torch.Tensor:
    """Logits for every prefix: 1 + 3 + 9 contexts."""
    return torch.randn(13, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def token_log_probs(logits: torch.Tensor) -> torch.Tensor:
    """(27, 3) log-probability of each token of each sequence."""
    table = torch.log_softmax(logits, dim=1)
    context = torch.stack(
        [torch.zeros(len(SEQUENCES)).long(), 1 + SEQUENCES[:, 0], 4 + 3 * SEQUENCES[:, 0] + SEQUENCES[:, 1]], dim=1
    )
    return table[context, SEQUENCES]


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return token_log_probs(logits).sum(dim=1).exp()


def expected_surrogate_gradient(name: str, rule: str, logits: torch.Tensor, **settings: float) -> torch.Tensor:
    """`E_{y ~ pi}[grad loss(y)]`, every sequence weighted by its exact probability."""
    rewards = CORRECT.double() * 2 - 1
    credit = signed_credit(
        rewards=rewards,
        correct=CORRECT,
        scored=torch.ones_like(CORRECT),
        group_ids=torch.zeros(len(CORRECT)).long(),
        rule=make_rule(rule, **settings),
    )
    z = logits.clone().requires_grad_()
    log_probs = token_log_probs(z)
    output = make_loss(name)(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=credit.plus,
        minus=credit.minus,
        mask=torch.ones(len(CORRECT), T).bool(),
    )
    (gradient,) = torch.autograd.grad((probabilities(logits) * output.row_sums).sum(), z)
    return gradient


def objective_gradient(logits: torch.Tensor, plus: float, minus: float) -> torch.Tensor:
    """Gradient of `plus * L_PSR + minus * L_NSR`, eqs. (2)-(4) and (9), by summing over all sequences."""
    z = logits.clone().requires_grad_()
    pi = probabilities(z)
    (gradient,) = torch.autograd.grad(-plus * pi[CORRECT].sum() + minus * pi[~CORRECT].sum(), z)
    return gradient


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize(
    ("rule", "plus", "minus"), [("reinforce", 1.0, 1.0), ("psr", 1.0, 0.0), ("nsr", 0.0, 1.0), ("asymmetric", 0.5, 0.5)]
)
def test_the_expected_surrogate_gradient_is_the_gradient_of_the_objective(
    name: str, rule: str, plus: float, minus: float
) -> None:
    logits = parameters(1)
    torch.testing.assert_close(
        expected_surrogate_gradient(name, rule, logits), objective_gradient(logits, plus, minus), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", SURROGATES)
def test_in_exact_on_policy_expectation_psr_and_nsr_are_the_same_update(name: str) -> None:
    logits = parameters(2)
    psr = expected_surrogate_gradient(name, "psr", logits)
    nsr = expected_surrogate_gradient(name, "nsr", logits)
    torch.testing.assert_close(psr, nsr, rtol=0, atol=1e-12)  # all score functions sum to zero
    assert float(psr.abs().max()) > 1e-2


def test_so_weighted_reinforce_only_changes_the_step_size_there() -> None:
    logits = parameters(3)
    weighted = expected_surrogate_gradient("ppo_clip", "weighted_reinforce", logits, lambda_=0.25)
    nsr = expected_surrogate_gradient("ppo_clip", "nsr", logits)
    torch.testing.assert_close(weighted, 1.25 * nsr, rtol=0, atol=1e-12)


def test_in_finite_groups_they_differ() -> None:
    logits = parameters(2)
    wrong = int(torch.nonzero(~CORRECT)[0])
    z = logits.clone().requires_grad_()
    log_probs = token_log_probs(z)[wrong : wrong + 1]
    rows = {"log_probs": log_probs, "old_log_probs": log_probs.detach(), "mask": torch.ones(1, T).bool()}
    down = make_loss("ppo_clip")(**rows, plus=torch.zeros(1), minus=torch.ones(1))
    assert float(torch.autograd.grad(down.row_sums.sum(), z)[0].abs().max()) > 0.1  # NSR learns from one wrong answer
    # and PSR from nothing: its credit there is zero


def test_off_policy_the_ratio_makes_one_token_exact_and_a_missing_ratio_does_not() -> None:
    old, new = parameters(4)[0], parameters(5)[0]
    correct = torch.tensor([True, False, False])
    z = new.clone().requires_grad_()
    log_probs = torch.log_softmax(z, dim=0)[:, None]
    old_log_probs = torch.log_softmax(old, dim=0)[:, None]
    rows = {
        "log_probs": log_probs,
        "old_log_probs": old_log_probs,
        "plus": correct.double(),
        "minus": (~correct).double(),
        "mask": torch.ones(V, 1).bool(),
    }
    (target,) = torch.autograd.grad(-(torch.softmax(z, dim=0) * (correct.double() * 2 - 1)).sum(), z, retain_graph=True)

    def expected(name: str, **settings: float) -> torch.Tensor:
        output = make_loss(name, **settings)(**rows)
        weighted = (old_log_probs[:, 0].exp() * output.row_sums).sum()
        return torch.autograd.grad(weighted, z, retain_graph=True)[0]

    wide = {"clip_low": 1.0, "clip_high": 1e6}
    for name in ("ppo_clip", "cispo", "gspo"):
        torch.testing.assert_close(expected(name, **wide), target, rtol=0, atol=1e-12)
    assert float((expected("reinforce") - target).abs().max()) > 1e-2


PREFIXES = torch.stack([SEQUENCES[:, 0] * 0, 1 + SEQUENCES[:, 0], 4 + 3 * SEQUENCES[:, 0] + SEQUENCES[:, 1]], dim=1)
WHOLE = torch.ones(len(SEQUENCES), T).bool()


def perfect_values(logits: torch.Tensor) -> torch.Tensor:
    """(27, 3) expected reward of each prefix of each sequence."""
    weighted = probabilities(logits) * (CORRECT.double() * 2 - 1)
    values = torch.zeros(13, dtype=torch.float64)
    for prefix in range(13):
        inside = (prefix == PREFIXES).any(dim=1)
        values[prefix] = weighted[inside].sum() / probabilities(logits)[inside].sum()
    return values[PREFIXES]


def expected_ppo_gradient(logits: torch.Tensor, values: torch.Tensor, *, lam: float) -> torch.Tensor:
    """`E_{y ~ pi}[grad loss(y)]` with generalised advantages from these values."""
    rewards = token_rewards(CORRECT.double() * 2 - 1, WHOLE)
    advantages = gae(rewards, values, WHOLE, gamma=1.0, lam=lam)
    z = logits.clone().requires_grad_()
    log_probs = token_log_probs(z)
    output = make_loss("ppo_clip")(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=advantages.clamp(min=0.0),
        minus=(-advantages).clamp(min=0.0),
        mask=WHOLE,
    )
    (gradient,) = torch.autograd.grad((probabilities(logits) * output.row_sums).sum(), z)
    return gradient


def test_any_fixed_values_leave_the_expected_gradient_what_it_is() -> None:
    logits = parameters(6)
    table = torch.randn(13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(
        expected_ppo_gradient(logits, table[PREFIXES], lam=1.0),
        objective_gradient(logits, 1.0, 1.0),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_perfect_values_give_the_gradient_for_every_lambda_and_advantages_that_expect_nothing(lam: float) -> None:
    logits = parameters(7)
    values = perfect_values(logits)
    torch.testing.assert_close(
        expected_ppo_gradient(logits, values, lam=lam), objective_gradient(logits, 1.0, 1.0), rtol=0, atol=1e-12
    )
    advantages = gae(token_rewards(CORRECT.double() * 2 - 1, WHOLE), values, WHOLE, gamma=1.0, lam=lam)
    for prefix in range(13):
        expected = (probabilities(logits)[:, None] * advantages)[prefix == PREFIXES].sum()
        assert abs(float(expected)) < 1e-14


def test_wrong_values_bias_the_gradient_below_lambda_1() -> None:
    logits = parameters(7)
    wrong = expected_ppo_gradient(logits, torch.zeros(len(SEQUENCES), T), lam=0.0)
    assert float((wrong - objective_gradient(logits, 1.0, 1.0)).abs().max()) > 1e-2

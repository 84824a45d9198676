"""Eqs. (6)-(8) of arXiv 2506.01347 on the logits of one token, in both forms, against autograd."""

import pytest
import torch

from counterpoise.losses import make_loss

Z = torch.tensor([1.3, -0.4, 0.2, 2.1, -1.7], dtype=torch.float64)
SURROGATES = ["reinforce", "ppo_clip", "cispo", "gspo", "topr"]


def closed_form(z: torch.Tensor, y: int, sign: float, form: str) -> torch.Tensor:
    """Descent direction: `sign * pi_y (1 - pi_y)` on the sampled token and `-sign * pi_y pi_v` elsewhere, over pi_y for the
    log-probability form."""
    pi = torch.softmax(z, dim=0)
    others = -sign * pi[y] * pi
    direction = torch.where(torch.arange(len(z)) == y, sign * pi[y] * (1 - pi[y]), others)
    return direction if form == "probability" else direction / pi[y]


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["psr", "nsr"])
@pytest.mark.parametrize("y", range(5))
def test_the_probability_form_is_the_gradient_of_the_paper_s_objective(y: int, sign: float) -> None:
    z = Z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(-sign * torch.softmax(z, dim=0)[y], z)  # eq. (6): L = -r pi(y)
    torch.testing.assert_close(-gradient, closed_form(Z, y, sign, "probability"), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["psr", "nsr"])
@pytest.mark.parametrize("y", range(5))
def test_what_is_trained_is_the_log_probability_form_at_ratio_one(name: str, y: int, sign: float) -> None:
    z = Z.clone().requires_grad_()
    log_probs = torch.log_softmax(z, dim=0)[y].reshape(1, 1)
    output = make_loss(name)(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=torch.tensor([max(sign, 0.0)]),
        minus=torch.tensor([max(-sign, 0.0)]),
        mask=torch.ones(1, 1).bool(),
    )
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), z)
    torch.testing.assert_close(-gradient, closed_form(Z, y, sign, "log_probability"), rtol=0, atol=1e-10)


def nsr_step(z: torch.Tensor, y: int, eta: float) -> torch.Tensor:
    """Change of every log-probability after one small NSR step on token y."""
    logits = z.clone().requires_grad_()
    log_probs = torch.log_softmax(logits, dim=0)
    output = make_loss("ppo_clip")(
        log_probs=log_probs[y].reshape(1, 1),
        old_log_probs=log_probs[y].detach().reshape(1, 1),
        plus=torch.zeros(1),
        minus=torch.ones(1),
        mask=torch.ones(1, 1).bool(),
    )
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), logits)
    return torch.log_softmax(z - eta * gradient, dim=0) - torch.log_softmax(z, dim=0)


@pytest.mark.parametrize("y", range(5))
def test_an_nsr_step_moves_the_other_tokens_by_pi_v_plus_pi_y_less_the_collision_probability(y: int) -> None:
    eta, pi = 1e-6, torch.softmax(Z, dim=0)
    expected = pi + pi[y] - (pi * pi).sum()
    others = torch.arange(5) != y
    torch.testing.assert_close(nsr_step(Z, y, eta)[others] / eta, expected[others], rtol=0, atol=1e-5)


def test_only_a_confident_wrong_token_sends_its_mass_to_every_alternative() -> None:
    pi = torch.softmax(Z, dim=0)
    collision = float((pi * pi).sum())
    confident, rare = int(pi.argmax()), int(pi.argmin())
    assert pi[confident] > collision > pi[rare]
    assert bool((nsr_step(Z, confident, 1e-3)[torch.arange(5) != confident] > 0).all())
    # punishing a rare token sharpens: the second-rarest falls and the most likely rises
    change = nsr_step(Z, rare, 1e-3)
    assert change[confident] > 0 > change[int(pi.argsort()[1])]

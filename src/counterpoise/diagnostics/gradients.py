"""What credit at one position does to the logits there, in closed form, and what those logits then do to the probabilities.

Everything is about one context: `pi = softmax(z / tau)` over V tokens and a signed push `w_v` on each of them. One rollout with
advantage A that chose y here pushes `w = A e_y`; several rollouts that pass through the same context add up. PSR is A = 1 on right
rollouts, NSR A = -1 on wrong ones, Weighted-REINFORCE A in {lambda, -1}, GRPO any A; token weights multiply A position by position.

The objective is written in one of two forms (docs/explain.md derives them):

    probability      J = sum_v w_v pi_v        dJ/dz_v = pi_v (w_v - sum_u pi_u w_u) / tau
    log_probability  J = sum_v w_v log pi_v    dJ/dz_v = (w_v - pi_v sum_u w_u) / tau

The first is eqs. (6)-(8) of arXiv 2506.01347 (there with tau = 1 and w = A e_y, so `A pi_y (1 - pi_y)` on y and `-A pi_y pi_v`
elsewhere). The second is what policy-gradient surrogates train at ratio 1. Both sum to zero over v.

All functions take any leading shape, compute in float64 and are natural-logarithm throughout.
"""

from __future__ import annotations

from typing import Literal

import torch

from counterpoise.errors import UsageError

__all__ = [
    "Form",
    "chosen_push",
    "entropy",
    "entropy_change",
    "entropy_slope",
    "log_softmax",
    "logit_gradient",
    "probability_change",
    "probability_slope",
]

Form = Literal["probability", "log_probability"]


def chosen_push(tokens: torch.Tensor, advantages: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """(…, V) push `w = A e_y` of one rollout: its signed credit on the tokens it chose and nothing on the others.

    Args:
        tokens: (…) int64 chosen tokens y.
        advantages: (…) or a scalar, signed credit A of each token.
        vocabulary: V.
    """
    push = torch.zeros(*tokens.shape, vocabulary, dtype=torch.float64, device=tokens.device)
    return push.scatter(-1, tokens[..., None], advantages.double().expand(tokens.shape)[..., None])


def logit_gradient(
    logits: torch.Tensor, push: torch.Tensor, *, form: Form = "log_probability", temperature: float = 1.0
) -> torch.Tensor:
    """(…, V) gradient of J (what a step ascends) with respect to the logits before the temperature.

    Args:
        logits: (…, V) z.
        push: (…, V) signed credit w on each token.
        form: which J.
        temperature: tau > 0; the policy is `softmax(z / tau)`.

    Raises:
        UsageError: another form, shapes that differ, or a temperature that is not positive.
    """
    if logits.shape != push.shape:
        raise UsageError(f"push has shape {tuple(push.shape)}; expected that of the logits, {tuple(logits.shape)}")
    pi, push = log_softmax(logits, temperature).exp(), push.double()
    if form == "probability":
        return pi * (push - (pi * push).sum(-1, keepdim=True)) / temperature
    if form == "log_probability":
        return (push - pi * push.sum(-1, keepdim=True)) / temperature
    raise UsageError(f"form is '{form}'; it must be probability or log_probability")


def probability_slope(logits: torch.Tensor, step: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """(…, V) first-order change of every probability under a logit step: `d pi_v = pi_v (dz_v - sum_u pi_u dz_u) / tau`."""
    pi, step = log_softmax(logits, temperature).exp(), step.double()
    return pi * (step - (pi * step).sum(-1, keepdim=True)) / temperature


def probability_change(logits: torch.Tensor, step: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """(…, V) exact change: `softmax((z + dz) / tau) - softmax(z / tau)`."""
    after = log_softmax(logits.double() + step.double(), temperature)
    return after.exp() - log_softmax(logits, temperature).exp()


def entropy(logits: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """(…) `H = -sum_v pi_v log pi_v` in nats."""
    log_pi = log_softmax(logits, temperature)
    return -torch.xlogy(log_pi.exp(), log_pi.exp()).sum(-1)


def entropy_slope(logits: torch.Tensor, step: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """(…) first-order change of the entropy under a logit step: `dH = -Cov_pi(log pi, dz) / tau`.

    The covariance form is that of arXiv 2505.22617 (lemma on softmax policies). With `dz = eta (e_y - pi) A / tau`, the
    log-probability form, it is `-eta A / tau^2 [pi_y (log pi_y + H) - sum_v pi_v^2 (log pi_v + H)]`: pushing a token down raises
    the entropy if and only if that bracket is positive.
    """
    log_pi, step = log_softmax(logits, temperature), step.double()
    pi = log_pi.exp()
    centred = step - (pi * step).sum(-1, keepdim=True)
    return -(pi * torch.where(pi > 0, log_pi, 0.0) * centred).sum(-1) / temperature


def entropy_change(logits: torch.Tensor, step: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """(…) exact change of the entropy under a logit step."""
    return entropy(logits.double() + step.double(), temperature=temperature) - entropy(logits, temperature=temperature)


def log_softmax(logits: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """(…, V) float64 `log softmax(z / tau)`.

    Raises:
        UsageError: the temperature is not positive.
    """
    if not temperature > 0.0:
        raise UsageError(f"temperature is {temperature}; a policy needs one above 0 (greedy decoding has no gradient)")
    return torch.log_softmax(logits.double() / temperature, dim=-1)

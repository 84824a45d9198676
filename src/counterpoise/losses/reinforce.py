"""REINFORCE: the score-function surrogate, without a ratio."""

from __future__ import annotations

from counterpoise.losses.tokens import Objective, Tokens
from counterpoise.settings import settings

__all__ = ["ReinforceLoss"]


@settings("loss reinforce")
class ReinforceLoss:
    """`loss_t = -A_t log pi(y_t)`.

    Descent on the logits: `+A (1 - pi_y)` on the sampled token, `-A pi_v` elsewhere: the log-probability form of arXiv 2506.01347
    eqs. (6)-(8) (each divided by `pi_y`). There is no importance ratio, so it is right for one update per batch only.
    """

    def __call__(self, tokens: Tokens) -> Objective:
        """The objective of each sign; see `tokens.Surrogate`."""
        return Objective(plus=tokens.log_probs, minus=tokens.log_probs, ratio=tokens.log_ratio.detach().exp())

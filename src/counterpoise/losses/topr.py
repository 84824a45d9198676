"""TOPR: positives as in supervised learning, negatives tapered by their own ratio."""

from __future__ import annotations

from typing import Literal

from counterpoise.losses.tokens import MAX_LOG_RATIO, Objective, Tokens
from counterpoise.settings import settings

__all__ = ["Topr"]


@settings("loss topr")
class Topr:
    """`loss_t = -plus * log pi(y_t) + minus * sg(clip(R, 0, 1)) * log pi(y_t)`.

    Source: tapered off-policy REINFORCE, arXiv 2503.14286, canonical form (a+ = b+ = 1, a- = 0, b- = 1): a wrong answer that the
    policy has already left is not pushed further. R is the ratio of the whole sequence there; `level="token"` takes each token's.
    Descent on the logits at R = 1: the log-probability form of arXiv 2506.01347 eqs. (6)-(8).
    """

    level: Literal["sequence", "token"] = "sequence"
    """Whose probability ratio tapers the negatives."""

    def __call__(self, tokens: Tokens) -> Objective:
        """The objective of each sign; see `tokens.Surrogate`."""
        log_ratio = tokens.log_ratio.detach()
        if self.level == "sequence":
            whole = log_ratio.sum(dim=1, keepdim=True).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
            log_ratio = whole.expand_as(log_ratio)
        ratio = log_ratio.exp()
        return Objective(
            plus=tokens.log_probs,
            minus=ratio.clamp(max=1.0) * tokens.log_probs,
            ratio=ratio,
            clipped_minus=ratio > 1.0,
        )

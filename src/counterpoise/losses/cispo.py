"""CISPO: the clip acts on a detached importance weight, so that no token loses its gradient."""

from __future__ import annotations

from counterpoise.losses.tokens import Objective, Tokens
from counterpoise.ranges import NonNegative, Share
from counterpoise.settings import settings

__all__ = ["Cispo"]


@settings("loss cispo")
class Cispo:
    """`loss_t = -A_t sg(clip(R, 1 - clip_low, 1 + clip_high)) log pi(y_t)`, with separate bounds for negatives if wanted.

    Source: MiniMax-M1, arXiv 2506.13585 eqs. (4)-(5). The defaults leave the ratio in [0, 5] (no lower bound there; 5 is the
    value of ScaleRL, arXiv 2510.13786, and TRL). Here both bounds can bind on both signs. Descent on the logits:
    `A w (1 - pi_y)` on the sampled token, `-A w pi_v` elsewhere, `w` the clipped ratio: at R = 1 the log-probability form of
    arXiv 2506.01347 eqs. (6)-(8).
    """

    clip_low: Share = 1.0
    """Weights do not fall below 1 - clip_low; in [0, 1]."""
    clip_high: NonNegative = 4.0
    """Weights do not rise above 1 + clip_high; >= 0."""
    clip_low_minus: Share | None = None
    """`clip_low` of negatives; None takes `clip_low`."""
    clip_high_minus: NonNegative | None = None
    """`clip_high` of negatives; None takes `clip_high`."""

    def __call__(self, tokens: Tokens) -> Objective:
        """The objective of each sign; see `tokens.Surrogate`."""
        ratio = tokens.log_ratio.detach().exp()
        low = self.clip_low if self.clip_low_minus is None else self.clip_low_minus
        high = self.clip_high if self.clip_high_minus is None else self.clip_high_minus
        weight_plus = ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high)
        weight_minus = ratio.clamp(1.0 - low, 1.0 + high)
        return Objective(
            plus=weight_plus * tokens.log_probs,
            minus=weight_minus * tokens.log_probs,
            ratio=ratio,
            clipped_plus=weight_plus != ratio,
            clipped_minus=weight_minus != ratio,
        )

"""PPO's clipped surrogate, each sign with its own bound."""

from __future__ import annotations

import math

from counterpoise.lazy import torch
from counterpoise.losses.tokens import Objective, Tokens
from counterpoise.ranges import AboveOne, NonNegative, Share, Smoothing
from counterpoise.settings import settings

__all__ = ["PpoClip"]


@settings("loss ppo_clip")
class PpoClip:
    """`loss_t = -plus * min(R, 1 + clip_high) + minus * min(max(R, 1 - clip_low), dual_clip)`, `R = pi(y_t) / pi_old(y_t)`.

    This is `-min(R A, clip(R, 1 - clip_low, 1 + clip_high) A)` (arXiv 1707.06347 eq. 7) with the sign resolved: the pessimistic
    minimum lets only `clip_high` bind on positives and only `clip_low` on negatives, so the two settings *are* one bound per sign.
    `dual_clip` bounds a negative token whose ratio has grown (arXiv 1912.09729; verl's `clip_ratio_c`). `probability_floor` leaves alone,
    value unchanged and gradient zero, negative tokens that pi_old gave less: their log-probability has no bottom that would stop it.

    A token inside its bound descends the logits by `+-R (1 - pi_y)` on the sampled token and `-+R pi_v` elsewhere: at R = 1 the
    log-probability form of arXiv 2506.01347 eqs. (6)-(8), which is what that paper trains. Outside it has no gradient.
    """

    clip_low: Share = 0.2
    """Negatives stop below the ratio 1 - clip_low; in [0, 1]."""
    clip_high: NonNegative = 0.2
    """Positives stop above the ratio 1 + clip_high; >= 0."""
    dual_clip: AboveOne | None = None
    """Negatives stop above this ratio, > 1 (verl: 3); None is off."""
    probability_floor: Smoothing = 0.0
    """Negatives that the sampling policy gave less than this have no gradient; in [0, 1), 0 is off."""

    def __call__(self, tokens: Tokens) -> Objective:
        """The objective of each sign; see `tokens.Surrogate`."""
        ratio = tokens.log_ratio.exp()
        seen = ratio.detach()
        outside = seen < 1.0 - self.clip_low
        if self.dual_clip is not None:
            outside = outside | (seen > self.dual_clip)
        down = ratio.clamp(min=1.0 - self.clip_low, max=self.dual_clip)
        if self.probability_floor:
            rare = tokens.old_log_probs < math.log(self.probability_floor)
            outside, down = outside | rare, torch.where(rare, down.detach(), down)
        return Objective(
            plus=ratio.clamp(max=1.0 + self.clip_high),
            minus=down,
            ratio=seen,
            clipped_plus=seen > 1.0 + self.clip_high,
            clipped_minus=outside,
        )

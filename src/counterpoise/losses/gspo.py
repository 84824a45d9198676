"""GSPO: one length-normalised importance ratio per sequence."""

from __future__ import annotations

from counterpoise.lazy import torch
from counterpoise.losses.tokens import Objective, Tokens
from counterpoise.ranges import NonNegative, Share
from counterpoise.settings import settings

__all__ = ["Gspo"]


@settings("loss gspo")
class Gspo:
    """`loss_t = -plus * min(s, 1 + clip_high) + minus * max(s, 1 - clip_low)`, `s = exp(mean_t log(pi / pi_old))` of the sequence.

    Source: arXiv 2507.18071 eqs. (5)-(7), in the per-token form of its eq. (14) (GSPO-token: the value of s, the gradient of
    `s log pi(y_t)`), so that per-token credit is possible. A row sums to T times its sequence loss: with the denominator
    `sequence_mean` and per-row credit it is GSPO exactly. The defaults are that paper's clip ranges. Descent on the logits:
    `+-s (1 - pi_y)` and `-+s pi_v`: at s = 1 the log-probability form of arXiv 2506.01347 eqs. (6)-(8).
    """

    clip_low: Share = 3e-4
    """Negatives stop below the sequence ratio 1 - clip_low; in [0, 1]."""
    clip_high: NonNegative = 4e-4
    """Positives stop above the sequence ratio 1 + clip_high; >= 0."""

    def __call__(self, tokens: Tokens) -> Objective:
        """The objective of each sign; see `tokens.Surrogate`."""
        mean = tokens.log_ratio.detach().sum(dim=1) / tokens.lengths.clamp(min=1)
        ratio = torch.exp(mean[:, None] + tokens.log_probs - tokens.log_probs.detach())
        seen = ratio.detach()
        return Objective(
            plus=ratio.clamp(max=1.0 + self.clip_high),
            minus=ratio.clamp(min=1.0 - self.clip_low),
            ratio=seen,
            clipped_plus=seen > 1.0 + self.clip_high,
            clipped_minus=seen < 1.0 - self.clip_low,
        )

"""Unlikelihood: the gradient of log(1 - pi) in the place of that of -log pi."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Gt, Lt

from counterpoise.credit.token_weights.base import Signs, TokenContext, TokenWeights, on_signs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["Unlikelihood"]


@settings("credit.token_weights unlikelihood")
class Unlikelihood:
    """`u = min(pi(y) / (1 - pi(y)), cap)`: confident tokens count most, rare ones hardly.

    Source: unlikelihood training, arXiv 1908.04319, whose loss on a token to avoid is `-log(1 - pi_y)`. Its gradient is that of `log
    pi_y` times `pi_y / (1 - pi_y)`; on the logits the descent is `-pi_y` on y and `+pi_y pi_v / (1 - pi_y)` elsewhere: all of y's push
    goes to the others in proportion to their probability. It is a loss for what should not be said, hence `signs = "minus"` by default.
    Changed against it: the cap, which binds above `pi = cap / (1 + cap)` (0.909 at 10) because `1 / (1 - pi)` has no bound, and
    `normalise`. A cap below the smallest ratio of a response gives all its tokens the same weight.
    """

    cap: Annotated[float, Gt(0.0), Lt(1e12)] = 10.0
    """Largest weight before normalisation, > 0."""
    signs: Signs = "minus"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`. False gives the gradient of log(1 - pi) itself, up to the cap."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) weights in (0, cap], before normalisation."""
        # expm1 keeps 1 - pi where pi rounds to 1; at log pi = 0 the ratio is infinite and capped (abs: over -0 it would be -inf)
        odds = context.log_pi.exp() / torch.expm1(context.log_pi).abs()
        return on_signs(context, odds.clamp(max=self.cap), self.signs, normalise=self.normalise)

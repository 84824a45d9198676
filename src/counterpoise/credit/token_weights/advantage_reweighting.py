"""Advantage reweighting: a line from 1 - a at probability 0 to 1 at probability 1."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.token_weights.base import Signs, TokenContext, TokenWeights, on_signs
from counterpoise.ranges import Share
from counterpoise.settings import settings

__all__ = ["AdvantageReweighting"]


@settings("credit.token_weights advantage_reweighting")
class AdvantageReweighting:
    """`u = a pi(y) + 1 - a`.

    Source: advantage reweighting of arXiv 2505.12929, which finds that rare tokens dominate updates by the size of their gradients and hold
    back likely ones. It reweighs every advantage whatever its sign, hence the default of `signs`; a = 0.2 is that of its released training
    script. Changed against it: `normalise` (set it to false for the formula alone). a = 0 is `none`, bit for bit; a = 1 is `probability`.
    """

    a: Share = 0.2
    """Slope, in [0, 1]."""
    signs: Signs = "both"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) weights in [1 - a, 1], before normalisation."""
        return on_signs(context, self.a * context.log_pi.exp() + (1.0 - self.a), self.signs, normalise=self.normalise)

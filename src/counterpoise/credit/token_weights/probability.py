"""Weight by a power of the probability: at 1, the probability form of the objective."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.token_weights.base import Signs, TokenContext, TokenWeights, on_signs
from counterpoise.lazy import torch
from counterpoise.ranges import NonNegative
from counterpoise.settings import settings

__all__ = ["ProbabilityPower"]


@settings("credit.token_weights probability")
class ProbabilityPower:
    """`u = pi(y)^a`: rare tokens are spared, the more the larger a.

    Source: at a = 1, `pi grad log pi = grad pi`, so that the trained log-probability form becomes the probability form of
    arXiv 2506.01347 eqs. (6)-(8), descent `+-pi_y (1 - pi_y)` on y and `-+pi_y pi_v` elsewhere: that paper prints it for both signs, hence
    the default of `signs`. Changed against it: `pi` is that of the policy that sampled, and `normalise` gives each response back the mass
    that the weights take (false gives the equations as printed). a = 0 is `none`, bit for bit.
    """

    a: NonNegative = 1.0
    """Exponent, >= 0."""
    signs: Signs = "both"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) weights in [0, 1], before normalisation."""
        return on_signs(context, torch.exp(self.a * context.log_pi), self.signs, normalise=self.normalise)

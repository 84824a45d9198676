"""No credit for tokens that the policy hardly ever says."""

from __future__ import annotations

import math
from typing import ClassVar

from counterpoise.credit.token_weights.base import Signs, TokenContext, TokenWeights, on_signs
from counterpoise.ranges import Smoothing
from counterpoise.settings import settings

__all__ = ["ProbabilityFloor"]


@settings("credit.token_weights probability_floor")
class ProbabilityFloor:
    """`u = 0` where `pi(y) < floor`, 1 elsewhere.

    In the log-probability form a rare wrong token is pushed with full force, `1 - pi_y`, and what it loses goes to the likely tokens
    (docs/explain.md): negatives of rare tokens sharpen, hence `signs = "minus"` by default. arXiv 2510.03222 shields rare tokens of a
    kind from such penalties by a KL term. STAPO, arXiv 2602.15620, leaves out rare tokens of *correct* responses (`signs = "plus"`) where
    the entropy is low as well, which is not looked at here. `loss.settings.probability_floor` of `ppo_clip` takes the gradient alone and
    leaves credit, masses and normalisation as they are; this changes the credit, for every loss. A response whose every token is below
    the floor has no credit.
    """

    floor: Smoothing = 0.01
    """Smallest probability that keeps its weight, in [0, 1); 0 is `none`, bit for bit."""
    signs: Signs = "minus"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) zeros and ones."""
        lowest = math.log(self.floor) if self.floor else -math.inf
        return on_signs(context, context.log_pi >= lowest, self.signs, normalise=self.normalise)

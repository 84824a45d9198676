"""No credit for tokens that the policy hardly ever says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from counterpoise.credit.token_weights.base import SIGNS, Signs, TokenContext, TokenWeights, on_signs
from counterpoise.settings import check_choice, check_number

__all__ = ["ProbabilityFloor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityFloor:
    """`u = 0` where `pi(y) < floor`, 1 elsewhere.

    In the log-probability form a rare wrong token is pushed with full force, `1 - pi_y`, and what it loses goes to the likely tokens
    (docs/explain.md): negatives of rare tokens sharpen, hence `signs = "minus"` by default. arXiv 2510.03222 shields rare tokens of a
    kind from such penalties by a KL term. STAPO, arXiv 2602.15620, leaves out rare tokens of *correct* responses (`signs = "plus"`) where
    the entropy is low as well, which is not looked at here. `loss.settings.probability_floor` of `ppo_clip` takes the gradient alone and
    leaves credit, masses and normalisation as they are; this changes the credit, for every loss. A response whose every token is below
    the floor has no credit.
    """

    floor: float = 0.01
    """Smallest probability that keeps its weight, in [0, 1); 0 is `none`, bit for bit."""
    signs: Signs = "minus"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_number("credit.token_weights probability_floor", "floor", self.floor, low=0.0, high=0.999)
        check_choice("credit.token_weights probability_floor", "signs", self.signs, SIGNS)

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) zeros and ones."""
        lowest = math.log(self.floor) if self.floor else -math.inf
        return on_signs(context, context.log_pi >= lowest, self.signs, normalise=self.normalise)

"""No token weights: every token of a response has its rollout's credit."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.token_weights.base import TokenContext, TokenWeights, on_signs
from counterpoise.settings import settings

__all__ = ["Unweighted"]


@settings("credit.token_weights none")
class Unweighted:
    """`u = 1`. A run leaves the credit by rollout then, and reads no token."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) ones."""
        return on_signs(context, context.mask, "both", normalise=True)

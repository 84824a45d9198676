"""Forking tokens only: the most uncertain share of the batch's tokens."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from counterpoise.credit.token_weights.base import Signs, TokenContext, TokenWeights, on_signs, required
from counterpoise.lazy import np
from counterpoise.settings import settings

__all__ = ["EntropyTop"]


@settings("credit.token_weights entropy_top")
class EntropyTop:
    """`u = 1` where the entropy H is among the largest `share` of the batch's tokens, 0 elsewhere.

    Source: arXiv 2506.01939, which trains on the top 20% of each batch, right and wrong responses alike (hence `signs = "both"`), and
    divides by all tokens. The batch is that of the step, over all processes, scored rollouts only; tokens as uncertain as the last one
    that is kept stay too. Changed against it: `normalise` moves a response's whole credit to its forking tokens, where that paper drops
    the credit of the others (set it to false, with `loss.denominator = "tokens_all"`). A response without a forking token has no credit.
    `share = 1` is `none`, bit for bit.
    """

    share: Annotated[float, Ge(1e-9), Le(1.0)] = 0.2
    """Share of tokens that is kept, in (0, 1]."""
    signs: Signs = "both"
    """Half of the credit it acts on."""
    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = True

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) zeros and ones.

        Raises:
            UsageError: the sampler recorded no entropy.
        """
        entropy = required("entropy_top", context.entropy, "entropy").double()
        own = entropy[context.mask & context.scored[:, None]].cpu().numpy()
        threshold = self._threshold(np.concatenate(context.world.gather([own])))
        return on_signs(context, entropy >= threshold, self.signs, normalise=self.normalise)

    def _threshold(self, entropies: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        count = len(entropies)
        # rounded first: 0.2 * 15 is a hair above 3
        kept = math.ceil(round(self.share * count, 6))
        return float(np.partition(entropies, count - kept)[count - kept]) if count else math.inf

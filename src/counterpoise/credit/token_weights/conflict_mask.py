"""No negative credit for tokens on a path that led to a right answer."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.groups import dense_groups
from counterpoise.credit.token_weights.base import TokenContext, TokenWeights, on_signs
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["ConflictMask"]


@settings("credit.token_weights conflict_mask")
class ConflictMask:
    """`u_minus = 0` on the tokens of a wrong response up to where it leaves the last correct response of its group that it follows.

    That is: 0 where a correct rollout of the group has the same prefix and the same token. There the policy saw one context and one
    choice end both well and badly, so the verdict says nothing of that choice. Our own; arXiv 2505.18830 (NTHR) weakens the penalty on
    tokens of wrong responses that matter to the correct ones of the group, by similarity of embeddings rather than by identity. It is
    about verdicts of wrong responses: negatives of a correct response (a critic's, or a graded reward's) and all positives keep weight 1.
    A response that a correct one contains whole (it was cut off) has no negative credit; a group without a correct rollout keeps all of
    its.
    """

    normalise: bool = True
    """Mean 1 over each response's tokens, so that the penalty moves behind the fork; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = False

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) zeros and ones."""
        shared = torch.zeros_like(context.mask)
        group, groups = dense_groups(context.group_ids)
        for index in range(groups):
            mine = (group == index) & context.scored
            right, wrong = torch.nonzero(mine & context.correct)[:, 0], torch.nonzero(mine & ~context.correct)[:, 0]
            if len(right) and len(wrong):
                shared[wrong] = self._shared(context, wrong, right)
        return on_signs(context, ~shared, "minus", normalise=self.normalise)

    def _shared(self, context: TokenContext, wrong: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """(W, T) bool: all tokens up to this one are those of some right response."""
        followed = torch.zeros_like(context.mask[wrong])
        for row in right.tolist():  # one at a time: (W, R, T) would be large for long responses
            same = (context.token_ids[wrong] == context.token_ids[row]) & context.mask[row]
            followed |= same.long().cumprod(dim=1).bool()
        return followed

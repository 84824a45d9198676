"""Token weights u: how much of a response's credit each of its tokens gets; one variant per file."""

from counterpoise.credit.token_weights.base import TokenContext, TokenWeight, TokenWeights
from counterpoise.credit.token_weights.context import token_context
from counterpoise.credit.token_weights.none import Unweighted
from counterpoise.credit.token_weights.registry import TOKEN_WEIGHTS, make_token_weights
from counterpoise.credit.token_weights.weigh import token_weight_metrics, weigh_tokens

__all__ = [
    "TOKEN_WEIGHTS",
    "TokenContext",
    "TokenWeight",
    "TokenWeights",
    "Unweighted",
    "make_token_weights",
    "token_context",
    "token_weight_metrics",
    "weigh_tokens",
]

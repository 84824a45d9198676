"""Only those negatives that raise the entropy."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.token_weights.base import TokenContext, TokenWeights, on_signs, required
from counterpoise.lazy import torch
from counterpoise.settings import settings

__all__ = ["EntropySafe"]


@settings("credit.token_weights entropy_safe")
class EntropySafe:
    """`u_minus = 1` where `S = pi_y (log pi_y + H) - sum_v pi_v^2 (log pi_v + H) >= 0`, 0 elsewhere; `u_plus = 1`.

    A step eta of gradient ascent on `-log pi_y` moves the logits of its context by `dz = -eta (e_y - pi)`, in the log-probability form
    that is trained. The entropy changes by `dH = -sum_v log pi_v d pi_v` with `d pi_v = pi_v (dz_v - sum_u pi_u dz_u)`, that is, since
    `sum_v d pi_v = 0` and `E_pi[log pi] = -H`,

        dH = -Cov_pi(log pi, dz) = eta sum_v pi_v (log pi_v + H) (1[v = y] - pi_v) = eta S.

    The covariance is that of arXiv 2505.22617; the mask is our own. S is positive for confident mistakes and negative for rare wrong
    tokens, whose mass would go to the likely ones. At temperature tau both steps have a factor 1/tau, which changes no sign. It is first
    order and tabular: a network shares its parameters between contexts. S is recorded in float32; where the policy is certain to about
    1e-5 its sign is noise, and so is the token's gradient. Positives are left alone, since here it is the negatives that are to preserve
    entropy. A response of which no token is kept has no negative credit.
    """

    normalise: bool = True
    """Mean 1 over each response's tokens; see `weigh_tokens`."""

    needs_entropy: ClassVar[bool] = True

    def __call__(self, context: TokenContext) -> TokenWeights:
        """(N, T) zeros and ones.

        Raises:
            UsageError: the sampler recorded no entropy slope.
        """
        slope: torch.Tensor = required("entropy_safe", context.entropy_slope, "entropy slope")
        return on_signs(context, slope >= 0, "minus", normalise=self.normalise)

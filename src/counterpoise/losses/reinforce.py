"""REINFORCE: the score-function surrogate, without a ratio."""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.lazy import torch
from counterpoise.losses.tokens import finish, prepare
from counterpoise.types import LossOutput

__all__ = ["ReinforceLoss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforceLoss:
    """`loss_t = -A_t log pi(y_t)`.

    Descent on the logits: `+A (1 - pi_y)` on the sampled token, `-A pi_v` elsewhere: the log-probability form of arXiv 2506.01347
    eqs. (6)-(8) (each divided by `pi_y`). There is no importance ratio, so it is right for one update per batch only.
    """

    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
        reference_log_probs: torch.Tensor | None = None,
        entropy: torch.Tensor | None = None,
    ) -> LossOutput:
        """See `types.Loss`; `old_log_probs` enters the metrics alone.

        Raises:
            UsageError: shapes or dtypes do not fit.
        """
        tokens = prepare(log_probs, old_log_probs, plus, minus, mask)
        return finish(tokens, tokens.log_probs, tokens.log_probs, ratio=tokens.log_ratio.detach().exp())

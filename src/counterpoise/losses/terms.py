"""KL and entropy terms around a surrogate; a coefficient of 0 is off and costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from counterpoise.errors import ConfigError, UsageError
from counterpoise.lazy import torch
from counterpoise.losses.tokens import MAX_LOG_RATIO
from counterpoise.ranges import AboveZero, NonNegative
from counterpoise.settings import settings
from counterpoise.types import Loss, LossOutput, Sum

__all__ = ["WithTerms", "needs_entropy", "needs_reference", "with_terms"]


@settings("loss")
class WithTerms:
    """`loss_t + kl * KL_t(pi || pi_ref) - entropy * H_t`, on every token of the mask, whatever its credit.

    KL estimators, with `d = log pi - log pi_ref` at the sampled token:

    - `k1`: value `d`; gradient `d * grad log pi`, whose on-policy expectation is the gradient of KL(pi || pi_ref). (The gradient of
      `d` itself has expectation zero, so a literal k1 loss would do nothing; this is k1 in the reward, without its reward-to-go.)
    - `k3`: `exp(-d) + d - 1`, value unbiased for KL(pi || pi_ref), non-negative. Its gradient is `(1 - exp(-d)) * grad log pi`, with
      on-policy expectation the gradient of KL(pi_ref || pi): what GRPO trains (arXiv 2402.03300 eq. 4).

    Below `d = -2.6` the value of `k3` passes 10 and its gradient grows like `exp(-d)`: one token 8 nats below the reference weighs as
    much as 2,980 of credit 1, times the coefficient. `kl_clamp = c` bounds the estimate to [-c, c], value and gradient: a token outside
    adds the constant c and no gradient. The code of arXiv 2506.01347 and verl clamp at 10; TRL does not clamp.

    `kl_weights` (B,), where given, multiply each row's KL term: `loss.kl_focus` (`credit.anchor_weights`) holds some prompts more than
    others.

    Rows that `credit.filter` removed are not seen by either term. Metrics added: `kl_reference`, `entropy_bonus` (sums over
    tokens, without coefficient and weights).
    """

    loss: Callable[..., LossOutput]
    """The surrogate."""
    kl: NonNegative = 0.0
    """Coefficient of the KL term, >= 0."""
    kl_estimator: Literal["k1", "k3"] = "k3"
    """Which estimator."""
    kl_clamp: AboveZero | None = None
    """Bound c > 0 of the k3 estimate of a token, in nats; None is k3 as it is written."""
    entropy: NonNegative = 0.0
    """Coefficient of the entropy bonus, >= 0."""

    def __post_init__(self) -> None:
        if self.kl_clamp is not None and self.kl_estimator != "k3":
            raise ConfigError(
                f"loss.kl_clamp={self.kl_clamp:g} bounds the estimator k3, and loss.kl_estimator={self.kl_estimator}; "
                "set loss.kl_estimator=k3, or loss.kl_clamp=none"
            )

    def __call__(
        self,
        *,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        plus: torch.Tensor,
        minus: torch.Tensor,
        mask: torch.Tensor,
        reference_log_probs: torch.Tensor | None = None,
        kl_weights: torch.Tensor | None = None,
        entropy: torch.Tensor | None = None,
    ) -> LossOutput:
        """See `types.Loss`.

        Raises:
            UsageError: shapes or dtypes do not fit, or the term's input is missing.
        """
        output = self.loss(log_probs=log_probs, old_log_probs=old_log_probs, plus=plus, minus=minus, mask=mask)
        row_sums, metrics = output.row_sums, dict(output.metrics)
        tokens = float(output.lengths.sum())
        if self.kl != 0.0:
            if reference_log_probs is None:
                raise UsageError(
                    f"loss.kl = {self.kl:g} needs reference_log_probs (B, T), the base's log-probabilities"
                )
            per_token = _kl(log_probs, reference_log_probs.detach(), mask, self.kl_estimator)
            if self.kl_clamp is not None:
                per_token = per_token.clamp(-self.kl_clamp, self.kl_clamp)
            per_token = torch.where(mask, per_token, 0.0)
            held = per_token.sum(dim=1)
            row_sums = row_sums + self.kl * (held if kl_weights is None else kl_weights * held)
            metrics["kl_reference"] = Sum(total=float(per_token.detach().sum(dtype=torch.float64)), count=tokens)
        if self.entropy != 0.0:
            if entropy is None:
                raise UsageError(
                    f"loss.entropy = {self.entropy:g} needs entropy (B, T), the tokens' entropies with gradient"
                )
            per_token = torch.where(mask, entropy, 0.0)
            row_sums = row_sums - self.entropy * per_token.sum(dim=1)
            metrics["entropy_bonus"] = Sum(total=float(per_token.detach().sum(dtype=torch.float64)), count=tokens)
        return LossOutput(row_sums=row_sums, lengths=output.lengths, metrics=metrics)


def with_terms(
    loss: Loss,
    *,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k3"] = "k3",
    kl_clamp: float | None = None,
    entropy: float = 0.0,
) -> Loss:
    """`loss` with the terms whose coefficients are not 0; `loss` itself when there are none.

    Raises:
        ConfigError: a coefficient is negative, the estimator unknown, or the clamp not positive or not of k3.
    """
    wrapped = WithTerms(loss=loss, kl=kl, kl_estimator=kl_estimator, kl_clamp=kl_clamp, entropy=entropy)
    return wrapped if kl != 0.0 or entropy != 0.0 else loss


def needs_reference(loss: Loss) -> bool:
    """Whether `reference_log_probs` must be given."""
    return isinstance(loss, WithTerms) and loss.kl != 0.0


def needs_entropy(loss: Loss) -> bool:
    """Whether `entropy` must be given, with gradient."""
    return isinstance(loss, WithTerms) and loss.entropy != 0.0


def _kl(log_probs: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor, estimator: str) -> torch.Tensor:
    difference = torch.where(mask, log_probs - torch.where(mask, reference, 0.0), 0.0).clamp(
        -MAX_LOG_RATIO, MAX_LOG_RATIO
    )
    if estimator == "k3":
        return torch.expm1(-difference) + difference
    half_square = 0.5 * difference * difference
    return difference.detach() + half_square - half_square.detach()

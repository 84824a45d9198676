"""What a token weight may know, what it returns, and the setting that most of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from counterpoise.credit.groups import check_rows
from counterpoise.errors import DataError, UsageError
from counterpoise.lazy import torch
from counterpoise.world import ALONE, World

__all__ = ["Signs", "TokenContext", "TokenWeight", "TokenWeights", "on_signs", "required"]

Signs = Literal["both", "plus", "minus"]
"""Which half of the credit a weight acts on; the other half keeps weight 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenContext:
    """N sampled responses of up to T tokens as the sampler recorded them, padded with anything where `mask` is false.

    Raises:
        UsageError: shapes or dtypes do not fit.
        DataError: a log-probability inside the mask is not finite.
    """

    log_probs: torch.Tensor
    """(N, T) `log pi(y_t)` of the policy that sampled, natural logarithm."""
    mask: torch.Tensor
    """(N, T) bool tokens that the policy chose."""
    token_ids: torch.Tensor
    """(N, T) ids of the responses' tokens."""
    group_ids: torch.Tensor
    """(N,) integers, one group for each prompt; groups are whole."""
    correct: torch.Tensor
    """(N,) bool."""
    scored: torch.Tensor
    """(N,) bool."""
    entropy: torch.Tensor | None = None
    """(N, T) entropy of the distribution each token was drawn from, before top-k and top-p; None where it was not recorded."""
    entropy_slope: torch.Tensor | None = None
    """(N, T) `Rollout.entropy_slope`; None where it was not recorded."""
    world: World = ALONE
    """The processes that share the batch, for weights that compare with the whole of it."""

    def __post_init__(self) -> None:
        check_rows(correct=self.correct, scored=self.scored, group_ids=self.group_ids)
        shape = self.log_probs.shape
        if self.log_probs.ndim != 2 or len(self.log_probs) != len(self.correct):
            raise UsageError(
                f"log_probs has shape {tuple(shape)}; expected (N, T) with N = {len(self.correct)} rollouts"
            )
        if self.mask.dtype != torch.bool:
            raise UsageError(f"mask has dtype {self.mask.dtype}; expected torch.bool")
        for name in ("mask", "token_ids", "entropy", "entropy_slope"):
            tensor: torch.Tensor | None = getattr(self, name)
            if tensor is not None and tensor.shape != shape:
                raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(shape)} like log_probs")
        bad = self.mask & ~torch.isfinite(self.log_probs)
        if bool(bad.any()):
            row, token = torch.nonzero(bad)[0].tolist()
            raise DataError(
                f"the log-probability of token {token} of rollout {row} is {float(self.log_probs[row, token])}; token weights need those "
                "that the sampler recorded, of every token inside the mask"
            )

    @property
    def log_pi(self) -> torch.Tensor:
        """(N, T) float64 log-probabilities without gradient, at most 0 (a recorded one may round to more), 0 outside the mask."""
        return torch.where(self.mask, self.log_probs.detach().double().clamp(max=0.0), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWeights:
    """The weights of a batch, without gradient: `A_it = plus_i u_plus_it - minus_i u_minus_it`, which `weigh_tokens` computes."""

    plus: torch.Tensor
    """(N, T) float64 `u_plus >= 0`."""
    minus: torch.Tensor
    """(N, T) float64 `u_minus >= 0`."""
    mask: torch.Tensor
    """(N, T) bool tokens that there are."""
    normalise: bool
    """Whether each response keeps the mass of each sign that it had, so that only its place changes."""


class TokenWeight(Protocol):
    """From what the sampler recorded to a weight for each token and sign."""

    @property
    def needs_entropy(self) -> bool:
        """Whether it reads `entropy` or `entropy_slope`, so that the sampler has to record them."""
        ...

    def __call__(self, context: TokenContext) -> TokenWeights:
        """The weights of the batch; what unscored rows get does not matter, since they have no credit."""
        ...


def on_signs(context: TokenContext, u: torch.Tensor, signs: Signs, *, normalise: bool) -> TokenWeights:
    """(N, T) weights u on the named signs and 1 on the other; values of u outside the mask may be anything."""
    ones = torch.ones_like(context.log_pi)
    u = torch.where(context.mask, u.double(), 0.0)
    plus, minus = (ones if signs == "minus" else u), (ones if signs == "plus" else u)
    return TokenWeights(plus=plus, minus=minus, mask=context.mask, normalise=normalise)


def required(name: str, value: torch.Tensor | None, what: str) -> torch.Tensor:
    """A record that the variant called `name` cannot do without.

    Raises:
        UsageError: the sampler did not record it.
    """
    if value is None:
        raise UsageError(
            f"credit.token_weights {name} reads the {what} of every token, and the sampler recorded none; sample with "
            "SamplingSettings(with_entropy=True) from a sampler that sees the whole distribution (the embedded one does), or choose "
            "weights that read log-probabilities alone, e.g. probability_floor"
        )
    return value.detach()

"""What credit assignment sees and gives, and what a loss makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from counterpoise.types.rollouts import Rollout

__all__ = ["Batch", "Counts", "Credit", "Divide", "Loss", "LossOutput", "Sum"]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Push up and push down, held apart. `plus >= 0`, `minus >= 0`, `plus * minus == 0`; unscored rows are zero in both."""

    plus: torch.Tensor
    """(N,) or (N, T) weight that pushes the rollout's probability up."""
    minus: torch.Tensor
    """(N,) or (N, T) weight that pushes it down."""

    @property
    def advantages(self) -> torch.Tensor:
        """(N,) or (N, T): `A = plus - minus`."""
        return self.plus - self.minus

    @property
    def nonzero(self) -> torch.Tensor:
        """(N,) or (N, T) bool: rows (tokens) that carry any credit."""
        return (self.plus != 0) | (self.minus != 0)

    @property
    def nonzero_rows(self) -> torch.Tensor:
        """(N,) bool: rollouts that carry any credit."""
        return self.nonzero if self.plus.ndim == 1 else self.nonzero.any(dim=1)

    def rows(self, index: torch.Tensor, span: int | None = None) -> Credit:
        """The credit of some rollouts, and of their first `span` tokens where it is by token."""
        plus, minus = (sign[index] if sign.ndim == 1 else sign[index, :span] for sign in (self.plus, self.minus))
        return Credit(plus=plus, minus=minus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What credit may know of the N rollouts of one step, groups whole."""

    rewards: torch.Tensor
    """(N,) float64, NaN where unscored."""
    correct: torch.Tensor
    """(N,) bool."""
    scored: torch.Tensor
    """(N,) bool."""
    group_ids: torch.Tensor
    """(N,) int64."""
    lengths: torch.Tensor
    """(N,) int64 response tokens."""
    task_types: Sequence[str]
    """(N,) kind of task."""
    surprisal: torch.Tensor | None = None
    """(N,) float64 sum of -log p over the response tokens, in nats: estimates the policy's entropy, summed over positions. None where
    the sampler's log-probabilities are not known."""
    rollouts: Sequence[Rollout] = ()
    """(N,) rollouts; read by rules with a critic and by token weights, and may be left out for the others."""
    parts: Mapping[str, torch.Tensor] = field(default_factory=lambda: _EMPTY)
    """By name of a graded part, (N,) float64, NaN where a rollout has not got it."""

    def rows(self, index: torch.Tensor) -> Batch:
        """Some of the rollouts, in the order of (M,) int64 `index`; groups that are split are no longer whole."""
        places = index.tolist()
        return Batch(
            rewards=self.rewards[index],
            correct=self.correct[index],
            scored=self.scored[index],
            group_ids=self.group_ids[index],
            lengths=self.lengths[index],
            surprisal=None if self.surprisal is None else self.surprisal[index],
            task_types=[self.task_types[place] for place in places],
            rollouts=[self.rollouts[place] for place in places] if self.rollouts else (),
            parts={name: values[index] for name, values in self.parts.items()},
        )

    def by_task_type(self) -> dict[str, torch.Tensor]:
        """(M,) int64 indices of the rollouts of each task type, by name."""
        rows: dict[str, list[int]] = {kind: [] for kind in sorted(set(self.task_types))}
        for row, kind in enumerate(self.task_types):
            rows[kind].append(row)
        return {kind: self.group_ids.new_tensor(own) for kind, own in rows.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A metric as (sum, count), so that a mean of means is impossible."""

    total: float
    """Sum of the values."""
    count: float
    """How many values."""

    @property
    def mean(self) -> float:
        """`total / count`; NaN when nothing was counted."""
        return self.total / self.count if self.count else float("nan")

    def __add__(self, other: Sum) -> Sum:
        return Sum(total=self.total + other.total, count=self.count + other.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one optimiser update divides by, counted over its whole mini-batch and every process before any forward pass."""

    tokens_all: int
    """Response tokens of all scored rollouts, zero credit included."""
    tokens_signed: int
    """Response tokens of rollouts that carry credit."""
    sequences_all: int
    """Scored rollouts."""
    sequences_signed: int
    """Rollouts that carry credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """Undivided loss of some rows: `losses.denominators.divide` is the only place that divides."""

    row_sums: torch.Tensor
    """(B,) per-row sum of token losses, with gradient."""
    lengths: torch.Tensor
    """(B,) response tokens of each row."""
    metrics: Mapping[str, Sum]
    """Named (sum, count) pairs, detached."""


class Loss(Protocol):
    """A surrogate: from log-probabilities and signed credit of some rows to their undivided sums."""

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
        """(B, T) float32 log-probabilities with gradient, the sampling policy's without, (B,) or (B, T) credit, (B, T) bool mask.

        `reference_log_probs` (B, T) is needed by a KL term, whose rows `kl_weights` (B,) >= 0 weighs (None: all by 1), and `entropy`
        (B, T), with gradient, by an entropy term.
        """
        ...


class Divide(Protocol):
    """Turns undivided rows into the scalar that is differentiated."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows in the mini-batch's loss; shares of disjoint micro-batches add up to the whole."""
        ...

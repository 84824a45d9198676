"""The only place that divides: what one optimiser update's sum is divided by, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from counterpoise.errors import TrainingError, UsageError
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero
from counterpoise.settings import construct, settings
from counterpoise.types import Counts, Credit, Divide, LossOutput

__all__ = [
    "DENOMINATORS",
    "ConstantLength",
    "SequenceMean",
    "Sequences",
    "TokensAll",
    "TokensSigned",
    "counts",
    "make_divide",
]

Over = Literal["all", "signed"]


@settings("loss.denominator tokens_all")
class TokensAll:
    """`sum of token losses / tokens of all scored rollouts`, zero credit included: the filter does not change the step size."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows."""
        return output.row_sums.sum() / _positive("tokens_all", counts.tokens_all)


@settings("loss.denominator tokens_signed")
class TokensSigned:
    """`sum of token losses / tokens of rollouts with credit`: what a trainer that removes the other rows first divides by.

    The reference implementation of arXiv 2506.01347 does so for PSR and NSR.
    """

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows."""
        return output.row_sums.sum() / _positive("tokens_signed", counts.tokens_signed)


@settings("loss.denominator sequences")
class Sequences:
    """`sum of token losses / sequences`: a long response weighs as much as it has tokens."""

    over: Over = "all"
    """Sequences counted: all scored rollouts, or those with credit."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows."""
        return output.row_sums.sum() / _sequences(counts, self.over)


@settings("loss.denominator sequence_mean")
class SequenceMean:
    """`sum over rows of (token mean) / sequences`: every response weighs the same, as in GRPO (arXiv 2402.03300 eq. 3)."""

    over: Over = "all"
    """Sequences counted: all scored rollouts, or those with credit."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows."""
        means = output.row_sums / output.lengths.clamp(min=1)
        return means.sum() / _sequences(counts, self.over)


@settings("loss.denominator constant")
class ConstantLength:
    """`sum of token losses / (sequences * length)` with a fixed length, as in Dr. GRPO (arXiv 2503.20783)."""

    length: AboveZero
    """Tokens per sequence, > 0; usually the generation limit."""
    over: Over = "all"
    """Sequences counted: all scored rollouts, or those with credit."""

    def __call__(self, output: LossOutput, counts: Counts) -> torch.Tensor:
        """Scalar share of these rows."""
        return output.row_sums.sum() / (_sequences(counts, self.over) * self.length)


DENOMINATORS: Mapping[str, Callable[..., Divide]] = {
    "tokens_all": TokensAll,
    "tokens_signed": TokensSigned,
    "sequences": Sequences,
    "sequence_mean": SequenceMean,
    "constant": ConstantLength,
}


def make_divide(name: str, **settings: Any) -> Divide:
    """The denominator called `name`, e.g. `make_divide("constant", length=256)`.

    Raises:
        UnknownNameError: no denominator has that name.
        ConfigError: a setting is unknown, missing or out of range.
    """
    return construct("loss.denominator", DENOMINATORS, name, settings)


def counts(credit: Credit, lengths: torch.Tensor, scored: torch.Tensor) -> Counts:
    """Count what a mini-batch divides by, before its rows are filtered: (N,) or (N, T) credit, (N,) lengths, (N,) bool scored.

    One mini-batch on several processes: add up every process's counts field by field, and mind that data-parallel wrappers
    average gradients over processes.

    Raises:
        UsageError: shapes do not fit.
    """
    for name, tensor in (("lengths", lengths), ("scored", scored)):
        if tensor.shape != credit.plus.shape[:1]:
            raise UsageError(
                f"{name} has shape {tuple(tensor.shape)}; expected {tuple(credit.plus.shape[:1])}, one per rollout"
            )
    signed = credit.nonzero_rows & scored
    values = [(lengths * scored).sum(), (lengths * signed).sum(), scored.sum(), signed.sum()]
    tokens_all, tokens_signed, sequences_all, sequences_signed = torch.stack(values).tolist()
    return Counts(
        tokens_all=tokens_all,
        tokens_signed=tokens_signed,
        sequences_all=sequences_all,
        sequences_signed=sequences_signed,
    )


def _sequences(counts: Counts, over: Over) -> int:
    if over == "all":
        return _positive("sequences_all", counts.sequences_all)
    return _positive("sequences_signed", counts.sequences_signed)


def _positive(name: str, count: int) -> int:
    if count <= 0:
        raise TrainingError(f"the mini-batch has {name} = {count}, so there is nothing to divide by; skip its update")
    return count

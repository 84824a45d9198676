"""What a credit rule is, and the group baseline that several of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from counterpoise.credit.groups import GroupStatistics
from counterpoise.errors import DataError
from counterpoise.lazy import torch

__all__ = ["Rule", "Scale", "SignWeights", "centred", "in_range", "normalised"]

Scale = Literal["zero_one", "as_given"]
"""Which reward a baseline rule centres: the success indicator in {0, 1} (the convention of the rules' papers, whatever the
reward's own range), or the reward as it is given (in {-1, +1} that doubles `r - mean`; needed for graded rewards)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignWeights:
    """What a rule multiplies its positive and its negative part by."""

    plus: float = 1.0
    """Weight of the positive part, >= 0."""
    minus: float = 1.0
    """Weight of the negative part, >= 0."""
    neutral: Mapping[str, float] = field(default_factory=dict)
    """Settings of the rule that give these weights, with the values that make them equal; none where the rule's name is the choice."""


class Rule(Protocol):
    """From rewards and group statistics to signed credit."""

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 `A = plus - minus`; what unscored rows get is ignored by the caller."""
        ...


def centred(rewards: torch.Tensor, statistics: GroupStatistics, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) `r - mean` and (N,) group sum of its squares, float64, exactly zero in a group of equal rewards."""
    if scale == "zero_one":
        return statistics.correct.double() - statistics.p, statistics.c * (statistics.n - statistics.c) / statistics.n
    deviation = torch.where(statistics.constant, 0.0, rewards.double() - statistics.mean)
    return deviation, statistics.squares


def normalised(
    deviation: torch.Tensor, squares: torch.Tensor, n: torch.Tensor, *, ddof: int, eps: float, eps_to: str
) -> torch.Tensor:
    """`deviation / s`, with `s = std + eps` or `sqrt(var + eps)` and `var = squares / (n - ddof)`; 0 where `squares == 0`."""
    variance = squares / (n - ddof)
    spread = variance.sqrt() + eps if eps_to == "std" else (variance + eps).sqrt()
    return torch.where(squares > 0, deviation / spread, 0.0)


def in_range(rule: str, rewards: torch.Tensor, scored: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """(N,) float64 rewards; unscored rows hold `low`, so that no NaN goes through arithmetic.

    Raises:
        DataError: the reward of a scored row is outside [low, high].
    """
    values = torch.where(scored, rewards.double(), low)
    outside = ~((values >= low) & (values <= high))
    if bool(outside.any()):
        row = int(torch.nonzero(outside)[0])
        raise DataError(
            f"credit.rule {rule}: the reward of rollout {row} is {float(values[row]):g}, outside [{low:g}, {high:g}]; "
            "set the rule's low and high to the reward's range"
        )
    return values

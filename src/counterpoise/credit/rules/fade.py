"""FADE: difficulty by the solve rate, weight of the negatives by the entropy."""

from __future__ import annotations

from typing import ClassVar

from counterpoise.credit.advantages import StepRule
from counterpoise.credit.fading import Fading
from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.rules.needs import Needs
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero, Share, Smoothing
from counterpoise.settings import check_number, settings

__all__ = ["Fade"]


@settings("credit.rule fade")
class Fade:
    """`A = (1-p)^(alpha-1) (r - p)`, r in {0, 1}, and that over delta for wrong rollouts.

    `alpha = clip(3 (1-P) / (2 P), 1, 3)` falls as the solve rate P rises, `delta = clip(1 + H - H*, 0.3, 1)` falls with the entropy H in
    nats a token; both are moving averages over steps, and H* is half the first step's entropy. At delta = 1 it is `dr_grpo` under `focal`
    with gamma = alpha - 1; at alpha = delta = 1 `dr_grpo`.

    Source: arXiv 2607.01490, as the project's design note gives it from a detailed reading; the paper's own text was not at hand.
    H is the sampler's surprisal. What does not move with steps (`signed_credit`) has the alpha of the call's own solve rate and delta = 1.
    Polarity share rho = 1 / (1 + 1/delta).
    """

    needs: ClassVar[Needs] = Needs.BASELINE | Needs.SURPRISAL
    divides: ClassVar[bool] = True

    alpha_low: AboveZero = 1.0
    """Smallest difficulty exponent, > 0."""
    alpha_high: float = 3.0
    """Largest difficulty exponent, >= `alpha_low`."""
    delta_low: AboveZero = 0.3
    """Smallest divisor of the negatives, in (0, 1]."""
    target: Share = 0.5
    """H* as a share of the first step's entropy, in [0, 1]."""
    smoothing: Smoothing = 0.98
    """Share of the old averages that a step keeps, in [0, 1)."""

    def __post_init__(self) -> None:
        check_number("credit.rule fade", "alpha_high", self.alpha_high, low=self.alpha_low)
        check_number("credit.rule fade", "delta_low", self.delta_low, low=0.0, high=1.0)

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit by verdict; `rewards` is not read."""
        scored = float(statistics.scored.sum())
        return self.at(self.alpha(float(statistics.correct.sum()) / scored if scored else 1.0), 1.0, statistics)

    def for_steps(self) -> StepRule:
        """With alpha and delta that follow the steps."""
        return Fading(self)

    def alpha(self, rate: float) -> float:
        """The exponent at a solve rate; the largest at 0."""
        return self.alpha_high if not rate else min(max(1.5 * (1.0 - rate) / rate, self.alpha_low), self.alpha_high)

    def delta(self, entropy: float, first: float) -> float:
        """The divisor of the negatives at an entropy in nats a token, `first` being that of the first step."""
        return min(max(1.0 + entropy - self.target * first, self.delta_low), 1.0)

    def at(self, alpha: float, delta: float, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit at this exponent and divisor."""
        p = statistics.p
        weight = torch.where(p < 1.0, (1.0 - p) ** (alpha - 1.0), 1.0)
        credit = weight * (statistics.correct.double() - p)
        return torch.where(statistics.correct, credit, credit / delta)

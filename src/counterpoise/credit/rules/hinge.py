"""Graded rewards split at a threshold: above it pushed up, below it pushed down, each by its distance."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Lt

from counterpoise.credit.advantages import EveryStep, StepRule
from counterpoise.credit.groups import GroupStatistics, segment_sum
from counterpoise.credit.quantile import group_quantile
from counterpoise.credit.rules.base import Rule, SignWeights, in_range
from counterpoise.credit.rules.needs import Needs
from counterpoise.credit.threshold import AtMovingThreshold
from counterpoise.errors import UsageError
from counterpoise.lazy import torch
from counterpoise.ranges import AboveZero, NonNegative, Share, Smoothing
from counterpoise.settings import check_number, settings

__all__ = ["Hinge"]


@settings("credit.rule hinge")
class Hinge:
    """`A = lambda g+ - g-`, with `g+ = ((r - tau) / (high - tau))^a` above tau and `g- = ((tau - r) / (tau - low))^b` below it.

    For r in {low, high} it is (1, 0) or (0, 1) for every tau strictly between them and all a, b > 0, so that Weighted-REINFORCE is
    recovered bit for bit, NSR with `lambda = 0` and PSR with `lambda = 1, minus = 0`. `nu` gives that share of the mass taken in a
    group to its better rollouts, in proportion to g+, instead of to the policy's prior: `A += nu (sum g- / sum g+) g+`. With binary
    rewards and lambda = 0, nu = 1 is zero-sum and the same as MaxRL wherever a group has a success. A threshold that follows the
    group mean would fix the polarity share at 1/2; a quantile does not. Source: our own.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    lambda_: NonNegative = 1.0
    """Weight of the positive part, >= 0; `lambda` in a run file."""
    minus: NonNegative = 1.0
    """Weight of the negative part, >= 0."""
    low: float = -1.0
    """Smallest possible reward; the run's reward declares it unless set."""
    high: float = 1.0
    """Largest possible reward; the same."""
    tau: float | None = None
    """The threshold, in (low, high), or the quantile in (0, 1) with `threshold = "group_quantile"`; None is the middle of either. With
    `threshold = "ema"` where the average starts; None is the first step's own mean."""
    threshold: Literal["constant", "group_quantile", "ema"] = "constant"
    """`constant`; the group's own quantile (type 7: linear between order statistics); or the moving average over steps of the task
    type's mean reward (`credit.threshold`), which only a run has: `at` takes it."""
    smoothing: Smoothing = 0.9
    """With `ema`: share of the old average that a step keeps, in [0, 1)."""
    margin: Annotated[float, Gt(0.0), Lt(0.5)] = 0.05
    """With `ema`: tau stays this share of the range away from its ends, in (0, 0.5)."""
    correct_only: bool = False
    """Push up nothing but correct rollouts: a reward above tau of a wrong one is worth 0."""
    plus_power: AboveZero = 1.0
    """a > 0: above 1 only rewards near the top are pushed up much."""
    minus_power: AboveZero = 1.0
    """b > 0."""
    nu: Share = 0.0
    """Share in [0, 1] of the negative mass of a group that goes to its better rollouts; 0 is off."""

    def __post_init__(self) -> None:
        where = "credit.rule hinge"
        check_number(where, "high", self.high, low=self.low, exclusive=True)
        if self.tau is not None:
            low, high = self._between()
            check_number(where, "tau", self.tau, low=low, high=high, exclusive=True)

    @property
    def sign_weights(self) -> SignWeights:
        """The settings `lambda` and `minus`."""
        return SignWeights(plus=self.lambda_, minus=self.minus, neutral={"lambda": 1.0, "minus": 1.0})

    def __call__(self, rewards: torch.Tensor, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 credit.

        Raises:
            DataError: a reward is outside [low, high].
            UsageError: the threshold moves with the steps; use `at`.
        """
        if self.threshold == "ema":
            raise UsageError(
                "credit.rule hinge: threshold = 'ema' follows the steps before, which a rule does not see; "
                "take tau from credit.threshold.MovingThreshold and call hinge.at(tau)"
            )
        where = sum(self._between()) / 2.0 if self.tau is None else self.tau
        if self.threshold == "constant":
            return self._split(rewards, statistics, where)
        values = in_range("hinge", rewards, statistics.scored, self.low, self.high)
        return self._split(rewards, statistics, group_quantile(values, statistics, where))

    def for_steps(self) -> StepRule:
        """With `threshold = "ema"`, the rule at thresholds that follow the steps; otherwise the rule itself."""
        return AtMovingThreshold(self) if self.threshold == "ema" else EveryStep(self)

    def at(self, tau: torch.Tensor) -> Rule:
        """This rule with the threshold of each rollout: (N,) float64, strictly between low and high."""
        return lambda rewards, statistics: self._split(rewards, statistics, tau)

    def _split(self, rewards: torch.Tensor, statistics: GroupStatistics, tau: torch.Tensor | float) -> torch.Tensor:
        values = in_range("hinge", rewards, statistics.scored, self.low, self.high)
        up = _share(values - tau, self.high - tau) ** self.plus_power
        down = _share(tau - values, tau - self.low) ** self.minus_power
        up, down = (torch.where(statistics.scored, share, 0.0) for share in (up, down))
        if self.correct_only:
            up = torch.where(statistics.correct, up, 0.0)
        down = self.minus * down
        pushed_up = self.lambda_ * up
        if self.nu:
            taken = segment_sum(down, statistics.group, statistics.groups)
            better = segment_sum(up, statistics.group, statistics.groups)
            pushed_up = pushed_up + torch.where(better > 0, self.nu * taken / better, 0.0) * up
        return pushed_up - down

    def _between(self) -> tuple[float, float]:
        return (0.0, 1.0) if self.threshold == "group_quantile" else (self.low, self.high)


def _share(distance: torch.Tensor, room: torch.Tensor | float) -> torch.Tensor:
    """`clip(distance / room, 0, 1)`; 0 where there is no room (a quantile at the end of the range)."""
    room = torch.as_tensor(room, dtype=torch.float64, device=distance.device)
    return torch.where(room > 0, distance / torch.where(room > 0, room, 1.0), 0.0).clamp(0.0, 1.0)

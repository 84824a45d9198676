"""Weights that are functions of the training step alone: linear, cosine, exponential, and positives first."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.ranges import AboveZero, NonNegative, Positive, Share
from counterpoise.settings import settings

__all__ = ["Cosine", "Exponential", "Linear", "WarmupPsr"]


@dataclass(kw_only=True, eq=False)
class _Scheduled(ABC):
    steps: Positive
    """Training steps of the whole schedule."""

    reads_entropy: ClassVar[bool] = False

    name: ClassVar[str]

    def __post_init__(self) -> None:
        self._taken = 0
        self._progress = math.nan

    @abstractmethod
    def curve(self, s: float) -> Lambdas:
        """The two weights at progress s in [0, 1]: 0 is the first step, 1 the last and everything after it."""

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Weights of this step, and one step on."""
        self._progress = min(1.0, self._taken / max(1, self.steps - 1))
        self._taken += 1
        return dict.fromkeys(statistics, self.curve(self._progress))

    def report(self) -> Mapping[str, float]:
        """How far along the schedule the last step was."""
        return {"progress": self._progress}

    def state_dict(self) -> dict[str, Any]:
        """Steps taken; the shape is in the run file."""
        return {"taken": self._taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue after that many steps.

        Raises:
            CheckpointError: the state belongs to another controller.
        """
        check_state(self.name, state, ("taken",))
        self._taken = int(state["taken"])


@dataclass(kw_only=True, eq=False)
class _Between(_Scheduled):
    plus_start: NonNegative = 1.0
    """First positive weight, >= 0."""
    plus_end: NonNegative = 0.1
    """Last positive weight, >= 0."""
    minus_start: NonNegative = 1.0
    """First negative weight, >= 0."""
    minus_end: NonNegative = 1.0
    """Last negative weight, >= 0."""

    def _moved(self, share: float) -> Lambdas:
        return Lambdas(
            plus=self.plus_start + (self.plus_end - self.plus_start) * share,
            minus=self.minus_start + (self.minus_end - self.minus_start) * share,
        )


@settings("credit.controller linear", frozen=False)
class Linear(_Between):
    """`start + (end - start) s` with s the share of `steps` that is done; the defaults go from REINFORCE to Weighted-REINFORCE(0.1).

    Source of time-dependent weights for the two signs: A-NSR (arXiv 2605.07137), which moves the negative one.
    """

    name: ClassVar[str] = "linear"

    def curve(self, s: float) -> Lambdas:
        """On the straight line."""
        return self._moved(s)


@settings("credit.controller cosine", frozen=False)
class Cosine(_Between):
    """`start + (end - start) (1 - cos(pi s)) / 2`: flat at both ends; otherwise as `linear`."""

    name: ClassVar[str] = "cosine"

    def curve(self, s: float) -> Lambdas:
        """On half a wave."""
        return self._moved((1.0 - math.cos(math.pi * s)) / 2.0)


@settings("credit.controller exponential", frozen=False)
class Exponential(_Between):
    """`start (end / start)^s`: the same factor every step; otherwise as `linear`, and no weight is 0, which no such path reaches."""

    plus_start: AboveZero = 1.0
    """First positive weight, > 0."""
    plus_end: AboveZero = 0.1
    """Last positive weight, > 0."""
    minus_start: AboveZero = 1.0
    """First negative weight, > 0."""
    minus_end: AboveZero = 1.0
    """Last negative weight, > 0."""

    name: ClassVar[str] = "exponential"

    def curve(self, s: float) -> Lambdas:
        """On the geometric path."""
        return Lambdas(
            plus=self.plus_start * (self.plus_end / self.plus_start) ** s,
            minus=self.minus_start * (self.minus_end / self.minus_start) ** s,
        )


@settings("credit.controller warmup_psr", frozen=False)
class WarmupPsr(_Scheduled):
    """Positives only for the first `share` of the steps, then both signs at their weights.

    Source: CAPO (arXiv 2512.02580), which finds a hard switch after 20 to 30% of the steps best.
    """

    share: Share = 0.25
    """Share of the steps that see positives alone, in [0, 1]."""
    lambda_plus: NonNegative = 1.0
    """Positive weight, >= 0."""
    lambda_minus: NonNegative = 1.0
    """Negative weight after them, >= 0."""

    name: ClassVar[str] = "warmup_psr"

    def curve(self, s: float) -> Lambdas:
        """A step up of the negative weight: progress is counted so that exactly round(share * steps) steps are positive only."""
        first = round(self.share * self.steps) / max(1, self.steps - 1)
        return Lambdas(plus=self.lambda_plus, minus=0.0 if s < first - 1e-9 else self.lambda_minus)

"""Control of the polarity share: what part of the credit pushes up, measured and held, for every task type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from counterpoise import ranges
from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.entropy_anchor import EntropyAnchor
from counterpoise.credit.controllers.plant import PlantSign
from counterpoise.credit.controllers.state import check_state
from counterpoise.ranges import AboveZero, NonNegative, PartialShare, Smoothing
from counterpoise.settings import check_number, settings

__all__ = ["PolarityShare"]

_AVERAGED = ("plus", "minus", "groups", "solved")
_NOTHING: Mapping[str, float] = dict.fromkeys(_AVERAGED, 0.0)
_STATE = ("averages", "shared", "integral", "first", "plant")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    rho: float
    """Share that was aimed at."""
    coverage: float
    """Smoothed share of groups with a success."""
    lambdas: Lambdas
    """What it gave."""


@settings("credit.controller share", frozen=False)
class PolarityShare:
    """Holds the measured polarity share rho = W+ lambda+ / (W+ lambda+ + W- lambda-) at a set point, per task type.

    W+ and W- are the token masses of the two signs at lambda = 1, averaged over steps, and

        rho*     = rho_min + (rho_max - rho_min) sigmoid(u)                   set point; u is one number for the run
        u       += gain clip(H / H_0 - target, -1, 1)                          outside the dead band, entropy feedback
        rho*_k   = max(rho*, floor_share (1 - C_k / floor))  where C_k < floor  coverage floor
        lambda+_k = clip(rho*_k / (1 - rho*_k) W-_k / W+_k, lambda_min, lambda_max),   lambda-_k = 1

    Entropy above its target raises the positive share, which makes the policy surer. Where lambda+ would pass `lambda_max`, lambda-
    is lowered instead, so that the share still holds: a task type without a single success gets no credit at all, because under
    negatives alone a policy that is mostly wrong unlearns its language. Task types with few groups borrow from all of them:
    averages count as if `shrinkage` groups of the mixture had been seen besides their own. The feedback stops while the measured
    response of entropy to rho has the wrong sign. Source: our own; entropy control of the
    two signs' weights: EntroPIC (arXiv 2511.15248).
    """

    reads_entropy: ClassVar[bool] = True

    rho: float = 0.5
    """First set point, inside (rho_min, rho_max)."""
    rho_min: PartialShare = 0.2
    """Smallest set point, in [0, 1)."""
    rho_max: PartialShare = 0.8
    """Largest set point, in (rho_min, 1)."""
    gain: NonNegative = 0.1
    """Integral gain kI of the entropy feedback, >= 0; 0 leaves the share at `rho`."""
    target: AboveZero = 1.0
    """Entropy to hold, as a share of H_0 (the mean of the first five steps), > 0."""
    dead_band: NonNegative = 0.1
    """Deviation of H / H_0 from the target within which u does not move, >= 0."""
    smoothing: Smoothing = 0.9
    """Share of the old average that a step keeps, in [0, 1)."""
    floor: ranges.Share = 0.3
    """Coverage below which the positive share is raised, in [0, 1]; 0 switches it off."""
    floor_share: PartialShare = 0.5
    """The share at coverage 0, in [0, 1)."""
    shrinkage: NonNegative = 32.0
    """Groups of the mixture added to each task type's own, >= 0."""
    lambda_min: NonNegative = 0.001
    """Smallest positive weight, >= 0."""
    lambda_max: float = 20.0
    """Largest positive weight, >= lambda_min; beyond it the negative weight falls."""

    def __post_init__(self) -> None:
        where = "credit.controller share"
        check_number(where, "rho_max", self.rho_max, low=self.rho_min, high=0.99)
        check_number(where, "rho", self.rho, low=self.rho_min, high=self.rho_max, exclusive=True)
        check_number(where, "lambda_max", self.lambda_max, low=max(self.lambda_min, 1e-6))
        inside = (self.rho - self.rho_min) / (self.rho_max - self.rho_min)
        self._integral = math.log(inside / (1.0 - inside))
        self._averages: dict[str, dict[str, float]] = {}
        self._shared = dict(_NOTHING)
        self._anchor = EntropyAnchor()
        self._plant = PlantSign()
        self._ratio = math.nan
        self._decisions: dict[str, _Decision] = {}

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Average the step in, move the set point by the entropy's deviation, and give every task type its weights."""
        total = _total(statistics)
        self._feed_back(total)
        self._shared = self._averaged(self._shared, total)
        self._averages |= {
            kind: self._averaged(self._averages.get(kind, _NOTHING), seen) for kind, seen in statistics.items()
        }
        self._decisions = {kind: self._decide(kind) for kind in statistics}
        return {kind: decision.lambdas for kind, decision in self._decisions.items()}

    @property
    def _rho(self) -> float:
        return self.rho_min + (self.rho_max - self.rho_min) / (1.0 + math.exp(-self._integral))

    def _feed_back(self, total: StepStatistics) -> None:
        self._ratio = 1.0 + self._anchor.deviation(total.entropy)
        error = self._ratio - self.target
        self._plant.observe(rho=self._rho, entropy_ratio=self._ratio)
        if abs(error) > self.dead_band and not self._plant.reversed:  # false for NaN
            moved = self._integral + self.gain * max(-1.0, min(1.0, error))
            # Beyond 6 the sigmoid is flat, and a set point that was pushed far out would take as long to come back.
            self._integral = max(-6.0, min(6.0, moved))

    def _averaged(self, old: Mapping[str, float], seen: StepStatistics) -> dict[str, float]:
        if not seen.groups:
            return dict(old)
        new = {"plus": seen.plus_mass, "minus": seen.minus_mass, "groups": seen.groups, "solved": seen.solved_groups}
        keep = self.smoothing if old["groups"] else 0.0
        return {name: keep * old[name] + (1.0 - keep) * new[name] for name in _AVERAGED}

    def _decide(self, kind: str) -> _Decision:
        own, shared = self._averages[kind], self._shared
        borrowed = self.shrinkage / shared["groups"] if shared["groups"] else 0.0
        plus, minus, groups, solved = (own[name] + borrowed * shared[name] for name in _AVERAGED)
        coverage = solved / groups if groups else math.nan
        rho = self._rho
        if coverage < self.floor:
            rho = max(rho, self.floor_share * (1.0 - coverage / self.floor))
        return _Decision(rho=rho, coverage=coverage, lambdas=self._lambdas(rho, plus, minus))

    def _lambdas(self, rho: float, plus: float, minus: float) -> Lambdas:
        if not minus:
            return Lambdas(plus=1.0, minus=1.0)
        odds = rho / (1.0 - rho)
        if odds * minus > self.lambda_max * plus:
            # odds = lambda+ W+ / (lambda- W-) with lambda+ at its largest
            return Lambdas(plus=self.lambda_max, minus=self.lambda_max * plus / (odds * minus))
        return Lambdas(plus=max(self.lambda_min, odds * minus / plus), minus=1.0)

    def report(self) -> Mapping[str, float]:
        """Set point, entropy ratio, whether the feedback stands still, and by task type the share aimed at and the coverage."""
        return {
            "rho": self._rho,
            "entropy_ratio": self._ratio,
            "entropy_base": self._anchor.base,
            "feedback_frozen": float(self._plant.reversed),
            **{f"rho/{kind}": decision.rho for kind, decision in self._decisions.items()},
            **{f"coverage/{kind}": decision.coverage for kind, decision in self._decisions.items()},
        }

    def state_dict(self) -> dict[str, Any]:
        """Averages, set point, first entropies and the plant's moments."""
        return {
            "averages": {kind: dict(values) for kind, values in self._averages.items()},
            "shared": dict(self._shared),
            "integral": self._integral,
            "first": [list(pair) for pair in self._anchor.first],
            "plant": self._plant.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from there.

        Raises:
            CheckpointError: the state belongs to another controller.
        """
        check_state("share", state, _STATE)
        self._averages = {kind: dict(values) for kind, values in state["averages"].items()}
        self._shared = dict(state["shared"])
        self._integral = float(state["integral"])
        self._anchor.first = [(float(total), float(tokens)) for total, tokens in state["first"]]
        self._plant.load_state_dict(state["plant"])


def _total(statistics: Mapping[str, StepStatistics]) -> StepStatistics:
    first, *rest = statistics.values()
    for seen in rest:
        first = first + seen
    return first

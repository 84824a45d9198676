"""Weights that are functions of the training step alone: linear, cosine, exponential, and positives first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.credit.controllers.base import Lambdas, StepStatistics
from counterpoise.credit.controllers.state import check_state
from counterpoise.settings import check_number

__all__ = ["Scheduled", "cosine", "exponential", "linear", "warmup_psr"]

Curve = Callable[[float], Lambdas]
"""From progress in [0, 1] to the two weights: 0 is the first step, 1 the last and everything after it."""


class Scheduled:
    """The two lambdas as a curve over `steps` training steps, the same for every task type; after the last step they stay."""

    def __init__(self, name: str, curve: Curve, *, steps: int) -> None:
        check_number(f"credit.controller {name}", "steps", steps, low=1, integer=True)
        self._name, self._curve, self._steps = name, curve, steps
        self._taken = 0
        self._progress = math.nan

    def update(self, statistics: Mapping[str, StepStatistics]) -> Mapping[str, Lambdas]:
        """Weights of this step, and one step on."""
        self._progress = min(1.0, self._taken / max(1, self._steps - 1))
        self._taken += 1
        return dict.fromkeys(statistics, self._curve(self._progress))

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
        check_state(self._name, state, ("taken",))
        self._taken = int(state["taken"])


def linear(
    *,
    steps: int,
    plus_start: float = 1.0,
    plus_end: float = 0.1,
    minus_start: float = 1.0,
    minus_end: float = 1.0,
) -> Scheduled:
    """`start + (end - start) s` with s the share of `steps` that is done; the defaults go from REINFORCE to Weighted-REINFORCE(0.1).

    Source of time-dependent weights for the two signs: A-NSR (arXiv 2605.07137), which moves the negative one.

    Raises:
        ConfigError: a weight is negative, or `steps` is below 1.
    """
    return _between("linear", lambda s: s, steps, (plus_start, plus_end), (minus_start, minus_end))


def cosine(
    *,
    steps: int,
    plus_start: float = 1.0,
    plus_end: float = 0.1,
    minus_start: float = 1.0,
    minus_end: float = 1.0,
) -> Scheduled:
    """`start + (end - start) (1 - cos(pi s)) / 2`: flat at both ends; otherwise as `linear`.

    Raises:
        ConfigError: a weight is negative, or `steps` is below 1.
    """
    return _between(
        "cosine", lambda s: (1.0 - math.cos(math.pi * s)) / 2.0, steps, (plus_start, plus_end), (minus_start, minus_end)
    )


def exponential(
    *,
    steps: int,
    plus_start: float = 1.0,
    plus_end: float = 0.1,
    minus_start: float = 1.0,
    minus_end: float = 1.0,
) -> Scheduled:
    """`start (end / start)^s`: the same factor every step; otherwise as `linear`.

    Raises:
        ConfigError: a weight is not positive (a geometric path cannot reach zero), or `steps` is below 1.
    """
    ends = {"plus_start": plus_start, "plus_end": plus_end, "minus_start": minus_start, "minus_end": minus_end}
    for setting, value in ends.items():
        check_number("credit.controller exponential", setting, value, low=0.0, exclusive=True)

    def curve(s: float) -> Lambdas:
        return Lambdas(
            plus=plus_start * (plus_end / plus_start) ** s, minus=minus_start * (minus_end / minus_start) ** s
        )

    return Scheduled("exponential", curve, steps=steps)


def warmup_psr(*, steps: int, share: float = 0.25, lambda_plus: float = 1.0, lambda_minus: float = 1.0) -> Scheduled:
    """Positives only for the first `share` of the steps, then both signs at their weights.

    Source: CAPO (arXiv 2512.02580), which finds a hard switch after 20 to 30% of the steps best.

    Raises:
        ConfigError: a weight is negative, `share` is outside [0, 1], or `steps` is below 1.
    """
    check_number("credit.controller warmup_psr", "share", share, low=0.0, high=1.0)
    for setting, value in {"lambda_plus": lambda_plus, "lambda_minus": lambda_minus}.items():
        check_number("credit.controller warmup_psr", setting, value, low=0.0)
    check_number("credit.controller warmup_psr", "steps", steps, low=1, integer=True)
    # Progress is counted in steps so that exactly round(share * steps) of them are positive only.
    first = round(share * steps) / max(1, steps - 1)

    def curve(s: float) -> Lambdas:
        return Lambdas(plus=lambda_plus, minus=0.0 if s < first - 1e-9 else lambda_minus)

    return Scheduled("warmup_psr", curve, steps=steps)


def _between(
    name: str,
    shape: Callable[[float], float],
    steps: int,
    plus: tuple[float, float],
    minus: tuple[float, float],
) -> Scheduled:
    for sign, ends in (("plus", plus), ("minus", minus)):
        for end, value in zip(("start", "end"), ends, strict=True):
            check_number(f"credit.controller {name}", f"{sign}_{end}", value, low=0.0)

    def curve(s: float) -> Lambdas:
        moved = shape(s)
        return Lambdas(plus=plus[0] + (plus[1] - plus[0]) * moved, minus=minus[0] + (minus[1] - minus[0]) * moved)

    return Scheduled(name, curve, steps=steps)

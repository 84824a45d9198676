"""The entropy a run began with, which entropy controllers hold on to."""

from __future__ import annotations

import math

from counterpoise.types import Sum

__all__ = ["EntropyAnchor"]

_FIRST_STEPS = 5
"""Measured steps whose mean is H_0: one step of a small batch is too noisy to be held to for the whole run."""


class EntropyAnchor:
    """`H / H_0 - 1` of each step, H_0 the token mean over the first five steps in which entropy was measured."""

    def __init__(self) -> None:
        self.first: list[tuple[float, float]] = []
        """(sum in nats, tokens) of those steps: the state."""

    def deviation(self, entropy: Sum) -> float:
        """Relative deviation from H_0; NaN until H_0 is known, where this step has no measurement, or where H_0 is 0."""
        if not entropy.count:
            return math.nan
        if len(self.first) < _FIRST_STEPS:
            self.first.append((entropy.total, entropy.count))
            return math.nan
        base = self.base
        return entropy.mean / base - 1.0 if base > 0 else math.nan

    @property
    def base(self) -> float:
        """H_0 in nats per token; NaN until it is known."""
        if len(self.first) < _FIRST_STEPS:
            return math.nan
        return math.fsum(total for total, _ in self.first) / math.fsum(tokens for _, tokens in self.first)

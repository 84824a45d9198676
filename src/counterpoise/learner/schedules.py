"""The learning rate as a pure function of the number of optimiser steps taken: nothing to save, nothing to drift on resume."""

from __future__ import annotations

import math
from collections.abc import Callable

from counterpoise.errors import UnknownNameError
from counterpoise.learner.settings import LearnerSettings

__all__ = ["SCHEDULES", "learning_rate"]

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}
"""Factor of the peak rate by name, as a function of progress in [0, 1] through the steps after the warm-up."""


def learning_rate(settings: LearnerSettings, updates: int) -> float:
    """Rate of the step after `updates` steps.

    `peak * (updates + 1) / (warmup + 1)` during the warm-up (so that no step is wasted at rate zero), then
    `peak * shape((updates - warmup) / (total - warmup))`, zero from `total` on for the decaying shapes.

    Raises:
        UnknownNameError: the schedule's name is not in `SCHEDULES`.
    """
    if settings.schedule not in SCHEDULES:
        raise UnknownNameError("schedule", settings.schedule, SCHEDULES)
    if updates < settings.warmup_steps:
        return settings.learning_rate * (updates + 1) / (settings.warmup_steps + 1)
    span = (settings.total_steps or 0) - settings.warmup_steps
    progress = min(1.0, (updates - settings.warmup_steps) / span) if span > 0 else 0.0
    return settings.learning_rate * SCHEDULES[settings.schedule](progress)

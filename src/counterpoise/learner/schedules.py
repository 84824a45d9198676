"""The learning rate as a pure function of the steps taken and the part of the run done: nothing to save, nothing to drift on resume."""

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


def learning_rate(settings: LearnerSettings, updates: int, *, progress: float | None = None) -> float:
    """Rate of the step after `updates` steps.

    `peak * min((updates + 1) / (warmup + 1), shape(s))`: the warm-up counts optimiser steps (so that none is wasted at rate zero), and the
    shape goes by `s = (progress - w) / (1 - w)`, clipped to [0, 1], with `w = warmup / total` the part of the run that was planned for it.
    Steps that were not taken, because a filter left nothing to train on, therefore do not keep a decaying rate from its end.

    Args:
        settings: peak, warm-up, shape and planned steps.
        updates: optimiser steps taken so far.
        progress: part of the run that is done, in [0, 1]; None takes `updates / total`.

    Raises:
        UnknownNameError: the schedule's name is not in `SCHEDULES`.
    """
    if settings.schedule not in SCHEDULES:
        raise UnknownNameError("schedule", settings.schedule, SCHEDULES)
    total, warmup = settings.total_steps or 0, settings.warmup_steps
    done = updates if progress is None else progress * total
    span = total - warmup
    shape = SCHEDULES[settings.schedule](min(1.0, max(0.0, (done - warmup) / span)) if span > 0 else 0.0)
    decayed = settings.learning_rate * shape
    return decayed if updates >= warmup else min(decayed, settings.learning_rate * (updates + 1) / (warmup + 1))

"""Several settings of the sampling, each in a store of its own: the one loop, whoever draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterpoise.build.evaluation import OnCount
from counterpoise.config import RunConfig
from counterpoise.errors import StoreError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.sweep import Swept

__all__ = ["ProgressOf", "SweptSetting", "sweep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptSetting:
    """One setting."""

    label: str
    """E.g. `temperature=0.2`."""
    config: RunConfig
    """What to evaluate, at this setting."""
    place: Callable[[], Path]
    """Its store; asked when the one before is made, since a store that is there decides which is whose."""


ProgressOf = Callable[[SweptSetting], OnCount]
"""Gives for a setting, when something of it is drawn, what is called with (drawn, of all)."""


def sweep(
    arms: Sequence[SweptSetting], evaluate: Callable[[SweptSetting, Path], tuple[EvaluationResult, bool]]
) -> list[Swept]:
    """Evaluate each setting, in order. One whose store holds something else is reported there, and stops no other.

    Args:
        arms: the settings.
        evaluate: gives the result of a setting in a directory, and whether it had been finished before.
    """
    made: list[Swept] = []
    for arm in arms:
        directory = arm.place()
        try:
            result, reused = evaluate(arm, directory)
            made.append(Swept(label=arm.label, directory=directory, result=result, reused=reused))
        except StoreError as found:
            made.append(Swept(label=arm.label, directory=directory, result=None, error=str(found)))
    return made

"""One policy evaluated at several settings of its sampling: read once, each setting in a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from counterpoise.build.evaluation import OnCount, Say, unsaid
from counterpoise.config import RunConfig
from counterpoise.engines.local.policy import Policy
from counterpoise.errors import StoreError
from counterpoise.evaluation.sweep import Swept
from counterpoise.jobs.evaluate import open_evaluator
from counterpoise.types import Problem

__all__ = ["SweptSetting", "evaluate_sweep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptSetting:
    """One setting."""

    label: str
    """E.g. `temperature=0.2`."""
    config: RunConfig
    """What to evaluate, at this setting."""
    place: Callable[[], Path]
    """Its store; asked when the one before is made, since a store that is there decides which is whose."""


def evaluate_sweep(
    arms: Sequence[SweptSetting],
    *,
    saved: Path | None = None,
    step: int = 0,
    check: Callable[[Sequence[Problem]], None] = lambda problems: None,
    on_progress: Callable[[SweptSetting], OnCount] | None = None,
    say: Say = unsaid,
) -> list[Swept]:
    """Evaluate each setting; one that stands as it is asked for is read and not drawn again, so the same call goes on.

    Args:
        arms: the settings.
        saved: weights of a run's step; None is the model of the configuration.
        step: training steps behind them.
        check: as `open_evaluator` takes it.
        on_progress: gives for each setting what is called with (drawn, of all).
        say: gets a line for each damage.

    Returns:
        One for each setting, in order. A setting whose store holds something else is reported there, and stops no other.

    Raises:
        DataError, ConfigError: the task cannot be loaded.
        ModelError: the model cannot be read.
    """
    made: list[Swept] = []
    policy: Policy | None = None
    with open_evaluator(arms[0].config, check=check) as bench:
        for arm in arms:
            here, directory = replace(bench, config=arm.config), arm.place()
            result, error, reused = here.standing(directory, step), None, True
            if result is None:
                reused = False
                policy = here.load(saved) if policy is None else policy
                progress = None if on_progress is None else on_progress(arm)
                try:
                    result = here.evaluate(policy, directory=directory, step=step, on_progress=progress, say=say)
                except StoreError as found:
                    error = str(found)
            made.append(Swept(label=arm.label, directory=directory, result=result, error=error, reused=reused))
    return made

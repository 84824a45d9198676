"""Guards in a run: made from its settings, and the credit that they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.config import GuardsConfig
from counterpoise.credit import CreditStep
from counterpoise.credit.relief import relieved
from counterpoise.diagnostics.guards.base import Relief
from counterpoise.diagnostics.guards.registry import make_guards
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.pipeline import Assign
from counterpoise.types import Batch, Credit, Sum

__all__ = ["guarded", "make_supervisor", "saved_guards"]


def make_supervisor(config: GuardsConfig) -> Supervisor:
    """The guards of a run file.

    Raises:
        UnknownNameError: no guard has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return Supervisor(
        guards=make_guards(config.names, config.settings),
        act=config.act,
        together=config.together,
        rollbacks=config.rollbacks,
        hold=config.hold,
        fade=config.fade,
        backoff=config.backoff,
        floor=config.floor,
    )


def saved_guards(state: Mapping[str, Any], supervisor: Supervisor) -> Mapping[str, Any]:
    """The guards' part of a checkpoint's state; theirs as they are where it is of before there were any."""
    found: Mapping[str, Any] = state.get("guards", supervisor.state_dict())
    return found


def guarded(step: CreditStep, supervisor: Supervisor) -> Assign:
    """`step` followed by the relief in force; without one, the step's own credit and metrics.

    Under relief the metrics describe the changed credit, and there are two more: `guard_share` and `guard_minus`, what was asked for. The
    lambdas stay those that the controller gave.
    """

    def assigned(batch: Batch) -> tuple[Credit, Mapping[str, Sum]]:
        credit, metrics = step(batch)
        relief: Relief = supervisor.relief
        if not relief.active:
            return credit, metrics
        changed = relieved(credit, batch, share=relief.share, minus=relief.minus, world=step.world)
        return changed, {
            **metrics,
            **step.columns(changed, batch),
            "guard_share": Sum(total=relief.share, count=1.0),
            "guard_minus": Sum(total=relief.minus, count=1.0),
        }

    return assigned

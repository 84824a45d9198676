"""Guards in a run: made from its settings, and the credit that they change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate.utils import gather_object

from counterpoise.config import GuardsConfig
from counterpoise.credit import credit_metrics
from counterpoise.credit.relief import relieved
from counterpoise.diagnostics.guards.base import Relief
from counterpoise.diagnostics.guards.registry import make_guards
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.pipeline import Assign, Outcome
from counterpoise.types import Credit, Sum

__all__ = ["guarded", "make_supervisor"]


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


def guarded(assign: Assign, supervisor: Supervisor) -> Assign:
    """`assign` followed by the relief in force; without one, `assign`'s own credit and metrics.

    Under relief the metrics describe the changed credit, and there are two more: `guard_share` and `guard_minus`, what was asked for. The
    lambdas stay those that the controller gave.
    """

    def assigned(outcome: Outcome) -> tuple[Credit, Mapping[str, Sum]]:
        credit, metrics = assign(outcome)
        relief: Relief = supervisor.relief
        if not relief.active:
            return credit, metrics
        changed = relieved(
            credit,
            correct=outcome.correct,
            scored=outcome.scored,
            lengths=outcome.lengths,
            share=relief.share,
            minus=relief.minus,
            everywhere=gather_object,
        )
        kinds = [name.partition("/")[2] for name in metrics if name.startswith("polarity_share_rows/")]
        return changed, {
            **metrics,
            **_measured(outcome, changed, torch.arange(len(outcome.correct))),
            **{name: value for kind in kinds for name, value in _shares(outcome, changed, kind).items()},
            "guard_share": Sum(total=relief.share, count=1.0),
            "guard_minus": Sum(total=relief.minus, count=1.0),
        }

    return assigned


def _measured(outcome: Outcome, credit: Credit, rows: torch.Tensor) -> dict[str, Sum]:
    return credit_metrics(
        credit=Credit(plus=credit.plus[rows], minus=credit.minus[rows]),
        correct=outcome.correct[rows],
        scored=outcome.scored[rows],
        group_ids=outcome.group_ids[rows],
        lengths=outcome.lengths[rows],
    )


def _shares(outcome: Outcome, credit: Credit, kind: str) -> dict[str, Sum]:
    """The columns of one task type that depend on the credit; those of a kind that was not drawn are empty already."""
    rows = torch.tensor([index for index, own in enumerate(outcome.task_types) if own == kind], dtype=torch.int64)
    if not len(rows):
        return {}
    measured = _measured(outcome, credit, rows)
    return {f"{name}/{kind}": measured[name] for name in ("polarity_share_rows", "polarity_share_tokens")}

"""Sweeps of what this machine draws: a step of a run, or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from counterpoise.cli import console
from counterpoise.cli.evaluated import sections_of
from counterpoise.cli.sweep import (
    Sweep,
    SweepBars,
    always,
    overrides_of,
    said_once,
    setting_label,
    show_sweep,
    swept_configs,
    swept_settings,
)

__all__ = ["sweep_model", "sweep_run"]


def sweep_run(
    path: Path, step: int | None, settings: Sequence[str], sweep: Sweep, metrics: Sequence[str], *, as_json: bool
) -> None:
    """Evaluate a step of a run at each setting; each has its folder of evaluations in the run."""
    from counterpoise.build.checks import check_evaluation
    from counterpoise.runs.directory import RunDirectory

    runs = [(setting_label(one), RunDirectory.read(path, [*settings, *overrides_of(one)])) for one in sweep]
    runs[0][1].refuse_missing("eval")
    check_evaluation(runs[0][1].config, model=False)
    from counterpoise.jobs.evaluate import sweep_policy, weights_of
    from counterpoise.jobs.sweep import SweptSetting

    saved, step = weights_of(runs[0][1], step, say=console.note)
    arms = [SweptSetting(label=label, config=run.config, place=always(run.evaluation(step))) for label, run in runs]
    with SweepBars(f"{path}@{step}") as bars:
        made = sweep_policy(
            arms, saved=saved, step=step, check=runs[0][1].compare_test, on_progress=bars.of, say=said_once()
        )
    show_sweep(made, f"{path} at step {step}", metrics, as_json=as_json)


def sweep_model(
    target: str,
    given: Mapping[str, object],
    settings: Sequence[str],
    sweep: Sweep,
    metrics: Sequence[str],
    *,
    out: Path | None,
    as_json: bool,
) -> None:
    """Evaluate a model at each setting, in `runs/eval-MODEL-TASK-…`, or in folders of `out`."""
    from counterpoise.build.checks import check_evaluation

    own, configs = swept_configs({"model": {"name": target}, **sections_of(given)}, settings, sweep)
    check_evaluation(own)
    from counterpoise.jobs.evaluate import sweep_policy

    arms = swept_settings(configs, target, own, out, "eval")
    with SweepBars(target) as bars:
        made = sweep_policy(arms, on_progress=bars.of, say=said_once())
    show_sweep(made, target, metrics, as_json=as_json)

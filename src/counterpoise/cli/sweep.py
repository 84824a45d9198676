"""`counterpoise eval … --sweep temperature=0.2,0.6,1.0`: several settings of the sampling in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from counterpoise.cli import console
from counterpoise.cli.evaluated import evaluation_folder, result_json, sampling_of
from counterpoise.errors import UsageError

if TYPE_CHECKING:
    from counterpoise.build.evaluation import OnCount
    from counterpoise.config import RunConfig
    from counterpoise.evaluation.sweep import Swept
    from counterpoise.jobs.sweep import SweptSetting

__all__ = [
    "SWEEP_HELP",
    "Sweep",
    "SweepBars",
    "always",
    "overrides_of",
    "refuse_swept",
    "said_once",
    "setting_label",
    "show_sweep",
    "swept_configs",
    "swept_settings",
]

SWEEP_HELP = "Several settings in one table, e.g. temperature=0.2,0.6,1.0; also top_p, top_k, max_tokens; repeated, all combinations."

Sweep = Sequence[Mapping[str, str]]
"""Settings as `settings_of_sweep` gives them."""


def refuse_swept(sweep: Sweep, settings: Sequence[str]) -> None:
    """Refuse a setting that is swept and given as well.

    Raises:
        UsageError: naming it.
    """
    for override in settings:
        key = override.partition("=")[0].strip().removeprefix("evaluation.")
        if sweep and key in sweep[0] and override.startswith("evaluation."):
            raise UsageError(f"{override} and --sweep {key} say the same thing twice; leave one of them away")


def swept_configs(
    tables: Mapping[str, Any], settings: Sequence[str], sweep: Sweep
) -> tuple[RunConfig, list[tuple[str, RunConfig]]]:
    """What was asked for without the sweep, and each of its settings as it is shown and as a configuration.

    Raises:
        CounterpoiseError: a setting is unknown or out of range.
    """
    from counterpoise.runfile import COMMAND_LINE, parse_config

    own = parse_config(tables, settings, source=COMMAND_LINE)
    return own, [
        (setting_label(one), parse_config(tables, [*settings, *overrides_of(one)], source=COMMAND_LINE))
        for one in sweep
    ]


def swept_settings(
    configs: Sequence[tuple[str, RunConfig]], model: str, own: RunConfig, out: Path | None, kind: str
) -> list[SweptSetting]:
    """The settings of `swept_configs` with their places: `runs/KIND-MODEL-TASK-…`, or folders of `out`."""
    from counterpoise.jobs.sweep import SweptSetting

    return [
        SweptSetting(label=label, config=config, place=_place_of(model, config, own, out, kind))
        for label, config in configs
    ]


def show_sweep(made: Sequence[Swept], label: str, metrics: Sequence[str], *, as_json: bool) -> None:
    """The table, or JSON; exit code 1 when a setting could not be evaluated."""
    from counterpoise.cli.views.passk import estimates_table
    from counterpoise.cli.views.sweep import sweep_table

    done = [(one, one.result) for one in made if one.result is not None]
    if as_json:
        console.print_json(_as_json(made, label))
    elif done:
        console.stdout.print(sweep_table(made, title=f"pass@k of {label} by sampling"))
        for one, result in done if metrics else ():
            table = estimates_table(result.estimates, metrics, confidence=result.confidence, title=one.label)
            console.stdout.print(table)
        for one, _ in done:
            console.stdout.print(f"{one.label}: {one.directory}", soft_wrap=True)
    reused = [one.label for one in made if one.reused]
    if reused:
        console.note(f"finished before and not drawn again: {', '.join(reused)}")
    for one in made:
        if one.error is not None:
            console.error(f"{one.label} was skipped: {one.error}")
    if len(done) < len(made):
        raise typer.Exit(1)


def _as_json(made: Sequence[Swept], label: str) -> dict[str, Any]:
    from counterpoise.evaluation.sweep import differences_from_first

    done = [(one.label, one.result) for one in made if one.result is not None]
    moved = differences_from_first([result for _, result in done]) if done else []
    return {
        "name": label,
        "settings": [
            {"setting": one.label, "reused": one.reused, "error": one.error}
            | ({} if one.result is None else result_json(one.result, one.directory))
            for one in made
        ],
        "differences": [
            {
                "setting": name,
                "against": done[0][0],
                "pass_at_k": [{"k": k, **asdict(interval)} for k, interval in rows],
            }
            for (name, _), rows in zip(done[1:], moved, strict=True)
        ],
    }


class SweepBars:
    """One bar at a time, closed when the next begins."""

    def __init__(self, label: str) -> None:
        self._label, self._stack = label, ExitStack()

    def __enter__(self) -> SweepBars:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def of(self, arm: SweptSetting) -> OnCount:
        """The bar of a setting; the one before is closed."""
        from counterpoise.cli.live import LazyProgress

        self._stack.close()
        return self._stack.enter_context(LazyProgress(f"evaluating {self._label}, {arm.label}"))


def setting_label(one: Mapping[str, str]) -> str:
    """A setting of a sweep as it is shown."""
    return " ".join(f"{key}={value}" for key, value in one.items())


def overrides_of(one: Mapping[str, str]) -> list[str]:
    """A setting of a sweep as `key=value`."""
    return [f"evaluation.{key}={value}" for key, value in one.items()]


def _place_of(model: str, config: RunConfig, own: RunConfig, out: Path | None, kind: str) -> Callable[[], Path]:
    """Where a model's evaluation at one setting is kept, asked for once the setting has passed its checks."""
    from counterpoise.runs.sampling import sampling_name

    if out is None:
        return lambda: evaluation_folder(model, config, kind=kind, own=own)
    return always(out / (sampling_name(sampling_of(config)) or "t0"))


def always(path: Path) -> Callable[[], Path]:
    """A place that is known already."""
    return lambda: path


def said_once() -> Callable[[str], None]:
    """Say each line once: what is so at one setting is mostly so at all."""
    return cache(console.note)

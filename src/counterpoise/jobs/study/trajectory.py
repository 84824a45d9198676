"""Where along their training runs are compared: after equal steps, at equal training success, or at every step that was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from counterpoise.errors import StoreError, UsageError
from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.levels import find_level
from counterpoise.jobs.study.runs import StudyRun
from counterpoise.runs.records import read_metrics

__all__ = ["STEPS", "At", "arms_at", "metrics_of", "parse_at", "success_of", "taken_back"]

_WINDOW = 20
"""Steps whose mean is the training success after the last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where runs are compared."""

    kind: Literal["steps", "success", "frontier"]
    """After equal steps, at equal training success, or everywhere."""
    step: int | None = None
    """Of `steps`: after how many; None is each run's last."""
    success: float = math.nan
    """Of `success`: the share of right responses in training."""


_Counts = Sequence[ProblemCounts]

STEPS = At(kind="steps")
"""After each run's last step."""


def parse_at(text: str) -> At:
    """`steps`, `steps=100`, `success=0.85` or `frontier`.

    Raises:
        UsageError: it is none of them.
    """
    kind, _, value = text.partition("=")
    if kind == "steps" and (not value or (value.isascii() and value.isdecimal())):
        return At(kind="steps", step=int(value) if value else None)
    if text == "frontier":
        return At(kind="frontier")
    if kind == "success":
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if 0.0 < share < 1.0:
            return At(kind="success", success=share)
    raise UsageError(
        f"--at {text}: runs are compared at steps (the last), steps=100, success=0.85 (a share of right training responses between 0 "
        "and 1), or along the frontier"
    )


def arms_at(runs: Sequence[StudyRun], at: At, colder: Mapping[float, Sequence[ProblemCounts]]) -> list[Arm]:
    """The arms of one place of a study; in the order of the runs, with the seeds that have come so far.

    At equal success a run is read between the two evaluations, first in time, whose training success holds the wanted one between them:
    pass@k is `(1 - w) a + w b` with w so that `(1 - w) s_a + w s_b` is the wanted success. Steps that a guard took back when it ended the
    run are not read. Along the frontier every evaluated step is an arm of its own, `nsr @50`, but for one of which only runs are known that
    ended there while others trained on. A run that its guards ended stays what it was at every later step at which another of the place
    was evaluated: at one at which none was there is nothing to compare it with.

    Args:
        runs: arms x seeds of one place.
        at: where.
        colder: the base at other temperatures.
    """
    arms = []
    measured = at.step is None or any(at.step in run.evaluated for run in runs)
    for name in dict.fromkeys(run.arm for run in runs):
        own = [run for run in runs if run.arm == name]
        base = own[0].base_result()
        if base is None:
            continue
        found: list[tuple[str, dict[int, _Counts], dict[int, tuple[_Counts, float]]]]
        if at.kind == "frontier":
            steps = sorted({step for run in own for step in run.evaluated if not _ended_alone(own, step)})
            found = [(f"{name} @{step}", _after(own, step), {}) for step in steps]
        elif at.kind == "success":
            found = [(name, *_at_success(own, at.success))]
        else:
            found = [(name, _after(own, at.step) if measured else {}, {})]
        arms += [
            Arm(name=called, after=after, towards=towards, before=base.counts, colder=list(colder.values()))
            for called, after, towards in found
        ]
    return arms


def _ended_alone(runs: Sequence[StudyRun], step: int) -> bool:
    """Whether only runs that ended at this step were measured there, and others of them trained on: a choice of runs by how they went."""
    there = [run for run in runs if step in run.evaluated]
    ended = all(step == run.last_step < run.config.learner.steps for run in there)
    return ended and any(run.last_step > step for run in runs)


def _after(runs: Sequence[StudyRun], step: int | None) -> dict[int, Sequence[ProblemCounts]]:
    found = {run.seed: run.result(step) for run in runs}
    return {seed: result.counts for seed, result in found.items() if result is not None}


def _at_success(runs: Sequence[StudyRun], wanted: float) -> tuple[dict[int, _Counts], dict[int, tuple[_Counts, float]]]:
    after: dict[int, _Counts] = {}
    towards: dict[int, tuple[_Counts, float]] = {}
    for run in runs:
        records = metrics_of(run.config.path)
        steps = (0, *(step for step in run.evaluated if not taken_back(run, step)))
        found = find_level([success_of(run, records, step) for step in steps], wanted)
        if found is None:
            continue
        place, weight = found
        first = run.result(steps[place]) if place else run.base_result()
        second = run.result(steps[place + 1])
        if first is not None and second is not None:
            after[run.seed] = first.counts
            towards[run.seed] = second.counts, weight
    return after, towards


def metrics_of(path: Path) -> tuple[Mapping[str, Any], ...]:
    """What a run has written about its steps; nothing for one that has made none."""
    try:
        return tuple(read_metrics(path / "metrics.jsonl", on_damage=lambda damage: None))
    except StoreError:
        return ()


def taken_back(run: StudyRun, step: int) -> bool:
    """Whether the guard that ended the run went back behind this step, so that its weights are not the run's."""
    return run.kept_step < step < run.last_step


def success_of(run: StudyRun, records: Sequence[Mapping[str, Any]], step: int) -> float:
    """Training success of the weights that were evaluated after a step: the mean of `success_rate` over the 20 steps up to it.

    Of the base it is that of the first step; of a run that a guard ended, that of the steps which made the weights it went back to. All
    runs are read with the same delay, about ten steps. NaN where the steps have none, and where lines of some of them are missing.
    """
    made = run.kept_step if step == run.last_step else step
    first = max(1, made - _WINDOW + 1)
    wanted = range(first, max(made, 1) + 1)
    there = {record["step"]: record.get("success_rate") for record in records if record["step"] in wanted}
    if len(there) < len(wanted):
        return math.nan
    found = there.values()
    known = [float(value) for value in found if isinstance(value, int | float)]
    return math.fsum(known) / len(known) if known else math.nan

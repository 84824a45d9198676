"""All that a study measured, read from its runs: every run at every step, and the differences over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from counterpoise.evaluation.statistics.arms import BASE, Arm, colder_base
from counterpoise.evaluation.statistics.cells import CellPoint, measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.differences import MeasuredStudy, arm_differences
from counterpoise.evaluation.statistics.ended import carried_on
from counterpoise.jobs.study.runs import Study, StudyRun
from counterpoise.jobs.study.trajectory import metrics_of, success_of, taken_back

__all__ = ["gather_study"]

_SUMS = {"updates": "optimiser_steps", "tokens": "tokens_sampled"}
"""What is added up over the steps, and the column of a step."""
_LASTS = ("rollouts_per_problem", "epochs")


def gather_study(
    study: Study, *, temperatures: Sequence[float] | None = None, confidence: float = 0.95
) -> MeasuredStudy:
    """Place by place: the base, the base at those of the temperatures at which it was measured, then every run at every step.

    A run that its guards ended stands after every later step as well, `learner.steps` the last, with the weights and the rollouts that it
    ended with, so that it is compared with those that trained on. Steps that it took back are there without their training success: the
    run is not read on them.

    Args:
        study: the study, trained as far as it may be.
        temperatures: of the base drawn colder; by default all at which it was measured.
        confidence: level of the intervals.

    Raises:
        DataError: a run was evaluated on other problems than its base.
    """
    cells = carried_on(_cells(study, temperatures, confidence))
    return MeasuredStudy(
        cells=tuple(cells), differences=tuple(arm_differences(cells, confidence=confidence)), confidence=confidence
    )


def _cells(study: Study, temperatures: Sequence[float] | None, confidence: float) -> list[CellPoint]:
    cells = []
    for runs in study.places.values():
        bases: set[str] = set()
        for run in runs:
            before = run.base_result()
            if before is None:
                continue
            own = before.manifest.settings.temperature
            wanted = run.base_temperatures if temperatures is None else temperatures
            at = {t: found.counts for t in wanted if t != own and (found := run.base_at(t)) is not None}
            colder: list[Sequence[ProblemCounts]] = list(at.values())
            named = {BASE: before.counts} | {colder_base(t): counts for t, counts in at.items()}
            for name, counts in named.items():
                if str(run.base) not in bases:
                    arm = Arm(name=name, after={0: counts}, before=before.counts)
                    cells.append(_cell(run, arm, None, 0, confidence))
            bases.add(str(run.base))
            for step in run.evaluated:
                result = run.result(step)
                if result is not None:
                    arm = _arm(run, result.counts, before.counts, colder)
                    cells.append(_cell(run, arm, run.seed, step, confidence))
                    if step == run.last_step < run.config.learner.steps:  # it stays what it was when it was ended
                        cells.append(replace(cells[-1], step=run.config.learner.steps))
    return cells


def _arm(
    run: StudyRun,
    after: Sequence[ProblemCounts],
    before: Sequence[ProblemCounts],
    colder: list[Sequence[ProblemCounts]],
) -> Arm:
    return Arm(name=run.arm, after={run.seed: after}, before=before, colder=colder)


def _cell(run: StudyRun, arm: Arm, seed: int | None, step: int, confidence: float) -> CellPoint:
    records = metrics_of(run.config.path) if step else ()
    upto = [record for record in records if record["step"] <= step]
    known: dict[str, float] = {} if step else dict.fromkeys((*_LASTS, *_SUMS), 0.0)
    if step and len(upto) == step:  # with lines missing nothing could be added up
        known |= {name: float(upto[-1][name]) for name in _LASTS if isinstance(upto[-1].get(name), int | float)}
        for name, column in _SUMS.items():
            values = [record.get(column) for record in upto]
            if all(isinstance(value, int | float) for value in values):
                known[name] = float(sum(value for value in values if value is not None))
    if step and not taken_back(run, step):
        known["success"] = success_of(run, records, step)
    return measured_cell(arm, seed=seed, bed=run.bed, axes=run.axes, step=step, trained=known, confidence=confidence)

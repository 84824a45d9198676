"""What a study asks for and what of it is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterpoise.cli import console
from counterpoise.text import counted

if TYPE_CHECKING:
    from counterpoise.jobs.study import Study, StudyRun

__all__ = ["plan_records", "print_plan"]


def plan_records(study: Study) -> list[dict[str, Any]]:
    """Each cell with its steps and the steps after which it was measured."""
    return [
        {
            "bed": run.bed,
            "axes": dict(run.axes),
            "arm": run.arm,
            "seed": run.seed,
            "directory": str(run.config.path),
            "steps": run.config.learner.steps,
            "done": run.steps_done,
            "finished": run.trained,
            "measured": run.evaluated,
        }
        for run in study.runs
    ]


def print_plan(study: Study) -> None:
    """The cells as a table, and how many are finished."""
    table = console.table("cell", "steps", "state", "measured after", numbers=("steps",))
    for run in study.runs:
        table.add_row(run.label, str(run.config.learner.steps), _state(run), ", ".join(map(str, run.evaluated)) or "–")
    console.stdout.print(table)
    finished = sum(run.trained for run in study.runs)
    console.stdout.print(
        f"{finished} of {counted(len(study.runs), 'run')} finished, in {study.directory}", soft_wrap=True
    )


def _state(run: StudyRun) -> str:
    if run.trained:
        return "finished"
    if not (run.config.path / "config.toml").is_file():
        return "not begun"
    return f"{run.steps_done} saved"

"""Resolve MODEL|RUN into configuration, weights and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.cli import console
from counterpoise.errors import UsageError
from counterpoise.targets import refuse_step, run_and_step

if TYPE_CHECKING:
    from counterpoise.config import RunConfig

__all__ = ["model_subject", "refuse_contradictions", "refuse_no_model", "subject_of"]

_LAB_TASKS = {
    "lab": ("tasks.settings.count=3", "tasks.settings.largest=20"),
    "lab:weak": ("tasks.settings.count=4", "tasks.settings.largest=10"),
}
"""What each packaged base was pre-trained on (docs/lab.md)."""


def subject_of(target: str, settings: Sequence[str], task: str | None) -> tuple[RunConfig, Path | None, str]:
    """Configuration, saved weights (None: those of the configuration) and name of MODEL, RUN or RUN@STEP.

    Raises:
        UsageError: the target is none of them, a model has no task, or a run got one.
        CheckpointError: the run has no such checkpoint.
    """
    from counterpoise.runfile import load_stored
    from counterpoise.runs.directory import RunDirectory

    path, step = run_and_step(target)
    if (path / "config.toml").is_file():
        if task is not None:
            raise UsageError(f"{path} is a run and has its own task; leave --task away")
        run, config = RunDirectory.read(path), load_stored(path, settings)  # what is looked at may have any settings
        run.refuse_other_code(config)
        return _of_run(path, config, step)
    refuse_step(target, path, step)
    return model_subject(target, settings, task), None, target


def _of_run(path: Path, config: RunConfig, step: int | None) -> tuple[RunConfig, Path | None, str]:
    from counterpoise.errors import CheckpointError
    from counterpoise.learner.checkpoint import CheckpointStore

    if step == 0:
        return config, None, f"{path} before its first step"
    checkpoints = CheckpointStore(path / "checkpoints", keep=config.checkpoint.keep, say=console.note)
    checkpoint = checkpoints.latest() if step is None else checkpoints.at(step)
    if checkpoint is None:
        raise CheckpointError(f"{path} has no intact checkpoint; {path}@0 is the model it starts from")
    return config, checkpoint.policy, f"{path} at step {checkpoint.step}"


def model_subject(target: str, settings: Sequence[str], task: str | None) -> RunConfig:
    """The configuration of a model by name; the lab's have the demo's and the task they were made for.

    Raises:
        UsageError: it is a directory without a model, or has no task.
    """
    from counterpoise.cli.commands.demo import DEMO_FILE
    from counterpoise.runfile import load_config, parse_config, quoted

    own: list[str] = [quoted("model.name", target)]
    packaged = target in _LAB_TASKS and task in (None, "countdown")
    refuse_no_model(target, "countdown" if packaged else task)
    if packaged:
        return load_config(DEMO_FILE, [*own, *_LAB_TASKS[target], *settings])
    sections: dict[str, Any] = {"run": {"threads": 1}} if target.startswith("lab") else {}
    return parse_config(sections, [*own, *settings], source="command line")


def refuse_no_model(target: str, task: str | None) -> None:
    """Refuse a directory without a model, and a model without a task.

    Raises:
        UsageError: it is one of them.
    """
    from counterpoise.models.layout import holds_model

    path = Path(target)
    if path.is_dir() and not holds_model(path):
        raise UsageError(
            f"{target} is neither a run (no config.toml) nor a model (no config.json); give a run's directory, "
            "a directory that save_pretrained wrote, or a model's name"
        )
    if task is None:
        raise UsageError(f"'{target}' is a model, so a task is needed: --task countdown (see: counterpoise tasks list)")


def refuse_contradictions(
    overrides: Sequence[str], given: Mapping[str, object], flags: Mapping[str, str], *, model_is_target: bool = True
) -> None:
    """Refuse a setting that a flag names as well.

    Args:
        overrides: `key=value` as typed.
        given: settings that came by a flag.
        flags: the flag of each such setting.
        model_is_target: whether the first argument is a model, so that `model.name` would be a second one.

    Raises:
        UsageError: naming both.
    """
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in given:
            raise UsageError(f"{override} and {flags[key]} say the same thing twice; leave one of them away")
        if key == "model.name" and model_is_target:
            raise UsageError(f"{override}: the model is the first argument; leave {key} away")

"""The problems of a run file, and the verifiers that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.errors import DataError, UnknownNameError
from counterpoise.prompts.templates import PER_PROBLEM, TEMPLATES, find_template
from counterpoise.tasks.base import Task
from counterpoise.tasks.registry import make_task
from counterpoise.types import Problem
from counterpoise.verifiers.guests.own import OwnFunction
from counterpoise.verifiers.registry import make_verifier

__all__ = ["Problems", "check_verifiers", "problems_of", "task_and_template"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Both sides of a run's task."""

    config: RunConfig
    """The run they are of."""
    train: Sequence[Problem]
    """Training problems, by identity; never empty."""
    test: Sequence[Problem]
    """Test problems, none of which is a training problem; empty where the run never evaluates."""
    template: str
    """Prompt template's name."""


def problems_of(config: RunConfig, *, evaluates: bool = True) -> Problems:
    """Read both sides of the task, or the training side alone, and see that their verifiers can be made.

    Raises:
        UnknownNameError: no task, template or verifier has that name.
        ConfigError: a setting of the task is unknown or out of range.
        DataError: a file is missing or malformed, or a split is empty.
    """
    task, template = task_and_template(config)
    wants_test = evaluates and (config.evaluation.before or config.evaluation.after or config.evaluation.every)
    train = sorted(task.problems("train"), key=lambda problem: problem.problem_id)[: config.tasks.max_train]
    test = task.problems("test") if wants_test else []
    if not train:
        raise DataError(f"task '{config.tasks.name}' has no training problems; give a larger file")
    check_verifiers([*train, *test], config.verification.settings)
    return Problems(config=config, train=train, test=test, template=template)


def task_and_template(config: RunConfig) -> tuple[Task, str]:
    """The task of a run and the name of the template its problems are rendered with.

    Raises:
        UnknownNameError: no task or template has that name.
        ConfigError: a setting of the task is unknown or out of range.
    """
    files = {"train": config.tasks.train, "test": config.tasks.test}
    task = make_task(config.tasks.name, **{k: v for k, v in files.items() if v is not None}, **config.tasks.settings)
    template = config.prompt.template or task.template
    if template != PER_PROBLEM and template not in TEMPLATES:
        raise UnknownNameError("prompt.template", template, TEMPLATES.known())
    if template != PER_PROBLEM:
        find_template(template)  # one that is not ours is imported now
    return task, template


def check_verifiers(problems: Sequence[Problem], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """See that every problem's verifier can be made, before a model is read and responses are drawn for it.

    Raises:
        UnknownNameError: a problem, or one of the settings, names no known verifier.
        ConfigError: a setting that its verifier does not have, or a bad value.
    """
    firsts: dict[str, Problem] = {}
    for problem in problems:
        firsts.setdefault(problem.verifier, problem)
    for name in sorted(firsts.keys() | set(settings)):
        verifier = make_verifier(name, **settings.get(name, {}))
        if isinstance(verifier, OwnFunction) and name in firsts:
            verifier.check(firsts[name])

"""Several tasks as one: the problems of all of them, each asked with its own task's template."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from counterpoise.errors import ConfigError, DataError
from counterpoise.ranges import Expected
from counterpoise.settings import construct, settings
from counterpoise.tasks.base import Task
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.single import SINGLE
from counterpoise.types import Problem

__all__ = ["Mixture"]

_FILES = ("train", "test")
_OVERRIDES = ("name", "template", "task_type")


_SOURCES = 'a list of tables such as [{name = "gsm8k", train = "train.jsonl"}, {name = "facts"}]'


@settings("task mixture")
class Mixture:
    """The problems of several sources one after the other; how often each kind is drawn is the run's `tasks.weights`.

    Raises:
        ConfigError: no source, or one that is malformed.
        UnknownNameError: a source names no known task.
    """

    sources: Annotated[Sequence[Mapping[str, Any]], Expected(_SOURCES)] = ()
    """One table each: `name`, optionally `template` and `task_type` (instead of the task's own), and the task's settings."""

    name: ClassVar[str] = "mixture"
    template: ClassVar[str] = "per_problem"

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError(f"task mixture: sources = {self.sources!r}; expected {_SOURCES}")
        for source in self.sources:
            _task(source)

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """Every problem of one side, source by source, each with its template.

        Raises:
            DataError: the side is empty for a source, or two sources have the same problem.
        """
        found: dict[str, Problem] = {}
        for source in self.sources:
            task = _task(source)
            template, kind = source.get("template", task.template), source.get("task_type")
            for problem in task.problems(split):
                if problem.problem_id in found:
                    raise DataError(
                        f"mixture: problem {problem.problem_id} of {task.name} is there twice ({problem.question[:60]!r}); "
                        "name each source once"
                    )
                found[problem.problem_id] = dataclasses.replace(
                    problem, template=problem.template or template, task_type=kind or problem.task_type
                )
        return tuple(found.values())


def _task(source: Any) -> Task:
    if not isinstance(source, Mapping) or not isinstance(source.get("name"), str):
        raise ConfigError(f"mixture: a source is {source!r}; expected a table with the task's name in it")
    if source["name"] == Mixture.name:
        raise ConfigError("mixture: a source is itself a mixture; list its sources instead")
    settings = {key: value for key, value in source.items() if key not in _OVERRIDES}
    files = {key: Path(settings[key]) for key in _FILES if isinstance(settings.get(key), str)}
    return construct("task", SINGLE, source["name"], {**settings, **files})

"""Tasks by name: those of one source, and their mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from counterpoise.plugins import Parts
from counterpoise.settings import construct
from counterpoise.tasks.base import Task
from counterpoise.tasks.single import PLACES
from counterpoise.tasks.sources.own import own_task

__all__ = ["TASKS", "make_task"]

TASKS: Final[Parts[Callable[..., Task]]] = Parts(
    "task", {**PLACES, "mixture": "counterpoise.tasks.mixture:Mixture"}, own_task
)
"""Frozen dataclasses by task name; their fields are the settings a run file may give; any other name is one of a package or
an import path (`counterpoise.plugins`)."""


def make_task(name: str, **settings: Any) -> Task:
    """The task with its settings.

    Raises:
        UnknownNameError: no such task.
        ConfigError: a setting the task does not have, or a value it refuses.
    """
    return construct("task", TASKS, name, settings)

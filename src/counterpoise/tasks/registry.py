"""Tasks by name. A new task is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from counterpoise.registry import construct
from counterpoise.tasks.arithmetic import Arithmetic
from counterpoise.tasks.base import Task
from counterpoise.tasks.choice import ChoiceTask
from counterpoise.tasks.countdown import Countdown
from counterpoise.tasks.facts import Facts
from counterpoise.tasks.files import JsonlTask, ParquetTask
from counterpoise.tasks.gsm8k import Gsm8k
from counterpoise.tasks.humaneval import HumanEval
from counterpoise.tasks.lengths import Lengths
from counterpoise.tasks.math import Math
from counterpoise.tasks.mbpp import Mbpp
from counterpoise.tasks.mixture import Mixture
from counterpoise.tasks.nq_open import NqOpen
from counterpoise.tasks.reasoning_gym import ReasoningGym
from counterpoise.tasks.scibench import Scibench
from counterpoise.tasks.science import Science
from counterpoise.tasks.stdio import Stdio

__all__ = ["TASKS", "make_task"]

TASKS: Final[dict[str, Callable[..., Task]]] = {
    "countdown": Countdown,
    "arithmetic": Arithmetic,
    "lengths": Lengths,
    "jsonl": JsonlTask,
    "parquet": ParquetTask,
    "gsm8k": Gsm8k,
    "math": Math,
    "nq_open": NqOpen,
    "facts": Facts,
    "reasoning_gym": ReasoningGym,
    "science": Science,
    "scibench": Scibench,
    "choice": ChoiceTask,
    "humaneval": HumanEval,
    "mbpp": Mbpp,
    "stdio": Stdio,
    "mixture": Mixture,
}
"""Frozen dataclasses by task name; their fields are the settings a run file may give."""


def make_task(name: str, **settings: Any) -> Task:
    """The task with its settings.

    Raises:
        UnknownNameError: no such task.
        ConfigError: a setting the task does not have, or a value it refuses.
    """
    return construct("task", TASKS, name, settings)

"""Tasks of one source by name. A new task is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from counterpoise.plugins import Parts
from counterpoise.tasks.base import Task
from counterpoise.tasks.generators.arithmetic import Arithmetic
from counterpoise.tasks.generators.countdown import Countdown
from counterpoise.tasks.generators.facts import Facts
from counterpoise.tasks.generators.lengths import Lengths
from counterpoise.tasks.generators.paths import Paths
from counterpoise.tasks.generators.ranks import Ranks
from counterpoise.tasks.generators.reasoning_gym import ReasoningGym
from counterpoise.tasks.generators.science import Science
from counterpoise.tasks.sources.choice import ChoiceTask
from counterpoise.tasks.sources.files import JsonlTask, ParquetTask
from counterpoise.tasks.sources.gsm8k import Gsm8k
from counterpoise.tasks.sources.humaneval import HumanEval
from counterpoise.tasks.sources.math import Math
from counterpoise.tasks.sources.mbpp import Mbpp
from counterpoise.tasks.sources.nq_open import NqOpen
from counterpoise.tasks.sources.own import own_task
from counterpoise.tasks.sources.scibench import Scibench
from counterpoise.tasks.sources.stdio import Stdio

__all__ = ["SINGLE"]

_OWN: Final[dict[str, Callable[..., Task]]] = {
    "countdown": Countdown,
    "arithmetic": Arithmetic,
    "lengths": Lengths,
    "paths": Paths,
    "ranks": Ranks,
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
}

SINGLE: Final[Parts[Callable[..., Task]]] = Parts("task", _OWN, own_task)
"""Frozen dataclasses by task name; their fields are the settings a run file may give."""

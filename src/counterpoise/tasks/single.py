"""Tasks of one source by name. A new task is one file and one line here.

Each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from counterpoise.plugins import Parts
from counterpoise.tasks.base import Task
from counterpoise.tasks.sources.own import own_task

__all__ = ["PLACES", "SINGLE"]

PLACES: Final[Mapping[str, str]] = {
    "countdown": "counterpoise.tasks.generators.countdown:Countdown",
    "arithmetic": "counterpoise.tasks.generators.arithmetic:Arithmetic",
    "lengths": "counterpoise.tasks.generators.lengths:Lengths",
    "paths": "counterpoise.tasks.generators.paths:Paths",
    "recall": "counterpoise.tasks.generators.recall:Recall",
    "units": "counterpoise.tasks.generators.units:Units",
    "snippets": "counterpoise.tasks.generators.snippets:Snippets",
    "ranks": "counterpoise.tasks.generators.ranks:Ranks",
    "letters": "counterpoise.tasks.generators.letters:Letters",
    "capitals": "counterpoise.tasks.generators.capitals:Capitals",
    "jsonl": "counterpoise.tasks.sources.files:JsonlTask",
    "parquet": "counterpoise.tasks.sources.files:ParquetTask",
    "gsm8k": "counterpoise.tasks.sources.gsm8k:Gsm8k",
    "math": "counterpoise.tasks.sources.math:Math",
    "nq_open": "counterpoise.tasks.sources.nq_open:NqOpen",
    "facts": "counterpoise.tasks.generators.facts:Facts",
    "reasoning_gym": "counterpoise.tasks.generators.reasoning_gym:ReasoningGym",
    "science": "counterpoise.tasks.generators.science:Science",
    "scibench": "counterpoise.tasks.sources.scibench:Scibench",
    "choice": "counterpoise.tasks.sources.choice:ChoiceTask",
    "humaneval": "counterpoise.tasks.sources.humaneval:HumanEval",
    "mbpp": "counterpoise.tasks.sources.mbpp:Mbpp",
    "stdio": "counterpoise.tasks.sources.stdio:Stdio",
}
"""Where each is."""

SINGLE: Final[Parts[Callable[..., Task]]] = Parts("task", PLACES, own_task)
"""Frozen dataclasses by task name; their fields are the settings a run file may give."""

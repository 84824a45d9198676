"""From the keys of a run file to the options of another engine, by a table with a row for every key.

A key is translated, carried in files that are written beside the command, left out where the engine does without it, or refused where
leaving it out would train something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from counterpoise.config import RunConfig
from counterpoise.config.describe import keys_of, sections
from counterpoise.errors import UsageError

__all__ = [
    "Asked",
    "KeyRow",
    "Surroundings",
    "Table",
    "Translation",
    "by",
    "carried",
    "fixed_precision",
    "has_terms",
    "left",
    "only",
    "run_keys",
    "to",
    "translate",
    "updates_per_step",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What options depend on besides the run file."""

    nodes: int = 1
    """Machines."""
    gpus: int = 1
    """Processes on each: one for a GPU."""
    cpu: bool = False
    """Train without GPUs."""
    model: str = ""
    """Directory or hub id of the policy."""
    problems: int = 0
    """Training problems."""
    tests: int = 0
    """Test problems."""
    prompt_tokens: int = 0
    """Tokens of the longest prompt, or the limit that the run file sets."""
    directory: Path = field(default_factory=Path)
    """Where the run lives."""

    @property
    def processes(self) -> int:
        """All of them."""
        return self.nodes * self.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One key of a run file, and all around it."""

    key: str
    """Its dotted name."""
    value: Any
    """What it is."""
    given: bool
    """Whether the run file, or the command line, says so."""
    config: RunConfig
    """The run file."""
    facts: Surroundings
    """What else there is to know."""

    def refuse(self, why: str) -> UsageError:
        """The error that says why this value cannot be."""
        return UsageError(f"{self.key}={shown(self.value)}: {why}")


Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """What becomes of a key."""

    options: Callable[[Asked], Options] | None = None
    """Options of the engine; None where there are none."""
    why: str = ""
    """Where the value is found instead, or what the engine does instead of it."""
    kind: str = "translated"
    """`translated`, `carried`, `left` or `refused`."""


Table = Mapping[str, KeyRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A run file in an engine's words."""

    options: Options
    """Options by name."""
    left: tuple[str, ...]
    """A line for each key that was set and has no counterpart."""


def to(*options: str, change: Callable[[Any], Any] = lambda value: value) -> KeyRow:
    """The value itself, or what `change` makes of it, under these names."""
    return KeyRow(options=lambda asked: {option: change(asked.value) for option in options})


def by(translate: Callable[[Asked], Options]) -> KeyRow:
    """Options that a function makes; it raises `asked.refuse(…)` where there are none."""
    return KeyRow(options=translate)


def carried(where: str) -> KeyRow:
    """No option: the value is in what is written beside the command, or is read with another key."""
    return KeyRow(why=where, kind="carried")


def left(why: str) -> KeyRow:
    """No counterpart, and what is trained is the same without it."""
    return KeyRow(why=why, kind="left")


def only(why: str, *allowed: Any) -> KeyRow:
    """No counterpart, and another value than the default (or `allowed`) would train something else."""

    def options(asked: Asked) -> Options:
        default: Any = RunConfig()
        for part in asked.key.split("."):
            default = getattr(default, part)
        if asked.value != default and asked.value not in allowed:
            raise asked.refuse(why)
        return {}

    return KeyRow(options=options, why=why, kind="refused")


def run_keys() -> list[str]:
    """Every key of the run file by its dotted name."""
    return [f"{name}.{key.name}" for name, section in sections().items() for key in keys_of(section)]


def translate(table: Table, config: RunConfig, facts: Surroundings) -> Translation:
    """The options that a table makes of a run file.

    Raises:
        UsageError: values that the engine has no counterpart of, a line each.
    """
    options: dict[str, Any] = {}
    lines: list[str] = []
    faults: list[str] = []
    for key in run_keys():
        row, asked = table[key], _asked(key, config, facts)
        if row.kind == "left" and asked.given:
            lines.append(f"{key}={shown(asked.value)}: {row.why}")
        if row.options is not None:
            try:
                options |= row.options(asked)
            except UsageError as error:
                faults.append(str(error))
    if faults:
        raise UsageError("\n".join(faults))
    return Translation(options=options, left=tuple(lines))


def _asked(key: str, config: RunConfig, facts: Surroundings) -> Asked:
    value: Any = config
    given = True
    for part in key.split("."):
        given = given and isinstance(value, BaseModel) and part in value.model_fields_set
        value = getattr(value, part)
    return Asked(key=key, value=value, given=given, config=config, facts=facts)


def shown(value: Any) -> str:
    """A value as a run file would have it, in short."""
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def updates_per_step(config: RunConfig) -> int:
    """Mini-batches of a step, all of its prompts counted."""
    return -(-config.rollout.prompts_per_step // (config.learner.minibatch or config.rollout.prompts_per_step))


def fixed_precision(asked: Asked) -> str:
    """The precision of passes, `no` or `bf16`.

    Raises:
        UsageError: a run of the local engine alone measures which is faster.
    """
    if asked.value == "auto":
        raise asked.refuse("the local engine alone measures a precision; set no or bf16")
    return str(asked.value)


def has_terms(config: RunConfig) -> bool:
    """Whether the loss has terms that act on rows without credit."""
    return bool(config.loss.kl or config.loss.entropy)

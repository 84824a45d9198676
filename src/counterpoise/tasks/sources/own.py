"""Tasks that are not ours: a class of problems, or a function that gives the records of a side."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from counterpoise.errors import ConfigError, CounterpoiseError, DataError
from counterpoise.plugins import ENVIRONMENT, ForeignPart, Shape, known_as
from counterpoise.plugins.adopt import what_is
from counterpoise.settings import adopted
from counterpoise.tasks.base import Task
from counterpoise.tasks.shared.identity import Split
from counterpoise.tasks.shared.records import NO_RECORD, Record, reads_records
from counterpoise.tasks.shared.splits import content_id, unique
from counterpoise.tasks.sources.environment import environment_task
from counterpoise.types import Problem

__all__ = ["own_task"]

_TEMPLATE: Final = "step_by_step_chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class _FunctionTask:
    """The records that `function(split)` gives, through a field map; it is asked for `train` and for `test`."""

    question: str = "question"
    """Field of the question."""
    gold: str = "answer"
    """Field of the gold: text, a number, or a list of right answers."""
    task_type: str = "own"
    """Kind of task of every record."""
    verifier: str = "math"
    """Verifier of every record."""
    demonstration: str | None = None
    """Field of a worked answer."""
    template: str = _TEMPLATE
    """Prompt template."""

    name: ClassVar[str]
    function: ClassVar[Callable[[str], Any]]

    def problems(self, split: Split) -> tuple[Problem, ...]:
        """One side, in the function's order.

        Raises:
            DataError: the function raised, or gave something else; a record is malformed; the side is empty.
        """
        where = f"task {self.name}"
        given = _asked(where, split, lambda: list(type(self).function(split)))
        problems = unique(self._problem(f"{where}: {split} record {n}", one) for n, one in enumerate(given, start=1))
        if not problems.problems:
            raise DataError(f"{where} gave no {split} problems")
        return problems.problems

    def _problem(self, where: str, given: Any) -> Problem:
        if isinstance(given, Problem):
            return given
        if not isinstance(given, dict):
            raise DataError(f"{where} is {what_is(given)}; expected a dict with {self.question} and {self.gold}")
        record = Record(where=where, fields=given)
        question = record.text(self.question)
        return Problem(
            problem_id=content_id(self.task_type, question),
            task_type=self.task_type,
            question=question,
            gold=record.gold(self.gold),
            verifier=known_as(self.verifier),
            demonstration=None if self.demonstration is None else record.worked(self.demonstration),
            record=MappingProxyType(dict(given)) if reads_records(self.verifier) else NO_RECORD,
            source=where,
        )


def own_task(loaded: ForeignPart) -> Callable[..., Task]:
    """What makes a task of settings, from a class with `problems(split)` or a function of the split that gives records.

    Raises:
        ConfigError: it is neither, or has another signature.
    """
    if loaded.reference.form == ENVIRONMENT:
        return environment_task(loaded)
    shape = Shape(methods={"problems": ("split",)}, defaults={"template": _TEMPLATE, "name": loaded.name})
    if inspect.isroutine(loaded.found):
        of_call = Shape(methods={"__call__": ("split",)}, wrap=_function_task)
        return of_call.adopt("task", loaded)
    if not inspect.isclass(loaded.found):
        raise ConfigError(
            f"task {loaded.name} is {what_is(loaded.found)}; expected a function of (split), or a class with problems(split)"
        )
    made: Any = shape.adopt("task", loaded)
    problems = made.problems

    def checked(self: Any, split: Split) -> tuple[Problem, ...]:
        return _problems(f"task {loaded.name}", problems(self, split))

    made.problems = checked
    return made  # type: ignore[no-any-return]


def _function_task(where: str, loaded: ForeignPart) -> Callable[..., Any]:
    return adopted(where, _FunctionTask, {"name": loaded.name, "function": staticmethod(loaded.found)})


def _problems(where: str, given: Any) -> tuple[Problem, ...]:
    """What a class's `problems` returned.

    Raises:
        DataError: it is not a list of problems.
    """
    if not isinstance(given, Iterable):
        raise DataError(f"{where}: problems returned {what_is(given)}; expected a list of Problem")
    listed = tuple(given)
    for one in listed:
        if not isinstance(one, Problem):
            raise DataError(f"{where}: problems returned {what_is(one)} among its problems; expected a Problem")
    return listed


def _asked(where: str, split: str, ask: Callable[[], list[Any]]) -> list[Any]:
    try:
        return ask()
    except CounterpoiseError:
        raise
    except Exception as error:
        raise DataError(f"{where} raised {type(error).__name__} for the {split} side: {error}") from error

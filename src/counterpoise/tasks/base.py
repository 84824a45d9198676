"""What a task is: a named source of problems with two disjoint sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from counterpoise.lazy import np
from counterpoise.tasks.shared.identity import Split
from counterpoise.types import Problem

__all__ = ["HasKinds", "Showing", "Split", "Task"]


class Task(Protocol):
    """Where problems come from. Implementations are frozen dataclasses whose fields are the task's settings."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    @property
    def template(self) -> str:
        """Name of the prompt template its questions are written for."""
        ...

    def problems(self, split: Split) -> Sequence[Problem]:
        """Every problem of one side, always in the same order; never empty.

        Raises:
            DataError: the side is empty, or its source is malformed.
        """
        ...


@runtime_checkable
class HasKinds(Protocol):
    """A task that tells responses of one kind from those of another, e.g. by the procedure that they apply.

    It may list the `kinds` that a right response can be of: then one that is lost has a column of zeros while training, and not none.
    """

    def kind_of(self, problem: Problem, response: str) -> str:
        """The kind of a response to one of the task's problems; every response has one."""
        ...


@runtime_checkable
class Showing(Protocol):
    """A task that draws the answers which its base was shown, right ones and wrong ones by their prior (`counterpoise pretrain`)."""

    def shown(self, problem: Problem, generator: np.random.Generator) -> str:
        """An answer to one of the task's problems."""
        ...

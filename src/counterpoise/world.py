"""The processes that share one step: all that credit, pipeline and learner need to know of a cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["ALONE", "Alone", "World", "add"]

T = TypeVar("T")


class World(Protocol):
    """What a driver supplies; everything that is summed, whitened or decided over processes goes through `gather`."""

    @property
    def rank(self) -> int:
        """This process, in [0, size)."""
        ...

    @property
    def size(self) -> int:
        """Number of processes."""
        ...

    def gather(self, own: list[T]) -> list[T]:
        """Every process's list, one behind the other in order of rank; every process must call it."""
        ...


class Alone:
    """One process."""

    rank = 0
    size = 1

    def gather(self, own: list[T]) -> list[T]:
        """The list itself."""
        return own


ALONE = Alone()


def add(world: World, values: Sequence[float]) -> list[float]:
    """Each sum over all processes, exactly rounded and the same in every one of them; every process must call it."""
    return [math.fsum(column) for column in zip(*world.gather([list(values)]), strict=True)]

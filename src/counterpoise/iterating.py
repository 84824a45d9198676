"""Ways of going through what is too long to be held."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["in_batches"]

_Item = TypeVar("_Item")


def in_batches(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of `size` items in order, the last one shorter; each is made when it is asked for."""
    while batch := list(islice(items, size)):
        yield batch

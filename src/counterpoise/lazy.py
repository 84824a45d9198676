"""`torch`, imported when something of it is first used: `from counterpoise.lazy import torch`.

Credit rules and losses are looked up by name, and their settings checked, before a command imports what takes ten times as long as the
look-up; only their arithmetic needs torch. A module that uses it when it is imported itself (a decorator, a default value) gains nothing.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch

__all__ = ["torch"]


class _Lazy(ModuleType):
    """A module that is imported with the first of its attributes."""

    def __getattr__(self, name: str) -> Any:
        # Python's own questions (`inspect`, `pickle`, `doctest`) are no use of it.
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(importlib.import_module(self.__name__), name)
        # Kept, so that the next use is an ordinary look-up.
        setattr(self, name, value)
        return value


if not TYPE_CHECKING:
    torch = _Lazy("torch")

"""Libraries that are imported, and patterns that are compiled, when something of them is first used: `from counterpoise.lazy import torch`.

Tasks, credit rules and losses are looked up by name, and their settings checked, before a command imports what takes longer than that:
torch ten times as long, scipy half as long, asyncio and numpy a tenth each. A module that uses one when it is imported itself (a
decorator, a default value) gains nothing. The 200 patterns of the verifiers take as long to compile as numpy to import.
"""

from __future__ import annotations

import importlib
import re
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio as asyncio

    import numpy as np
    import torch as torch
    from scipy import special as special

__all__ = ["asyncio", "compiled", "np", "special", "torch"]


class _Lazy(ModuleType):
    """A module that is imported with the first of its attributes."""

    def __getattr__(self, name: str) -> Any:
        # Python's own questions (`inspect`, `pickle`, `doctest`) do not count as use.
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(importlib.import_module(self.__name__), name)
        # Kept, so that the next use is an ordinary look-up.
        setattr(self, name, value)
        return value


class _Compiled:
    """A pattern that is compiled with the first of its attributes."""

    def __init__(self, text: str, flags: int) -> None:
        self._given = text, flags

    @cached_property
    def _made(self) -> re.Pattern[str]:
        return re.compile(*self._given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._made, name)
        setattr(self, name, value)
        return value


def compiled(text: str, flags: int = 0) -> re.Pattern[str]:
    """`re.compile(text, flags)`, put off until the pattern is used; its own methods alone take it, `re.sub` and the like do not."""
    return _Compiled(text, flags)  # type: ignore[return-value]


if not TYPE_CHECKING:
    asyncio, np, special, torch = map(_Lazy, ("asyncio", "numpy", "scipy.special", "torch"))

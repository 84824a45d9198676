"""Libraries that are imported when something of them is first used: `from counterpoise.lazy import torch`.

Tasks, credit rules and losses are looked up by name, and their settings checked, before a command imports what takes longer than that:
torch ten times as long, scipy half as long, asyncio and numpy a tenth each. A module that uses one when it is imported itself (a
decorator, a default value) gains nothing.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio as asyncio

    import numpy as np
    import torch as torch
    from scipy import special as special

__all__ = ["asyncio", "np", "special", "torch"]


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


if not TYPE_CHECKING:
    asyncio, np, special, torch = map(_Lazy, ("asyncio", "numpy", "scipy.special", "torch"))

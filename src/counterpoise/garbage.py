"""When a command looks for garbage: not while it starts.

Python counts what is made and not given back, and walks through the objects there are every 700 of them: cycles of dead ones would never be
given back else. Modules are a million objects that live as long as the process, so each walk through them is for nothing.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["importing_the_engine", "seldom_collected"]

_PYTHONS = gc.get_threshold()
"""Of whoever imports this: Python's own, where nobody has set others."""

_MANY = 100_000
"""Objects that are made before the first walk: a message about a mistake needs 15,000 to 50,000."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Walk every 100,000 objects alone inside, before which a message about a mistake is written, and not once more when Python ends."""
    atexit.register(gc.disable)
    before = gc.get_threshold()
    gc.set_threshold(_MANY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def importing_the_engine() -> Iterator[None]:
    """Walk not at all inside, where torch and transformers are imported, and never again through what is there at the end (`gc.freeze`).

    From there on Python's own thresholds hold again, because a cycle of few objects may hold the memory of a large tensor. Where torch is
    there already, as in a process that is somebody else's, nothing is done: it may have garbage that would stay for ever.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_PYTHONS)
        gc.enable()

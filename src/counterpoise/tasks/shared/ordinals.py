"""Places in words, as questions ask for them."""

from __future__ import annotations

from typing import Final

__all__ = ["ORDINALS"]

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
"""The first eight."""

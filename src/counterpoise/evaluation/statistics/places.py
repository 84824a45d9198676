"""Places of a grid in words: what names, tables and pages call a value of an axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["axis_text", "named_place", "place_text"]


def axis_text(value: object) -> str:
    """A value of an axis as it stands in names and tables: as TOML writes it, texts without their quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def place_text(axes: Mapping[str, Any]) -> str:
    """Values of the axes in words, `tasks.max_train=200`; empty without an axis."""
    return ", ".join(f"{key}={axis_text(value)}" for key, value in axes.items())


def named_place(bed: str, axes: Iterable[tuple[str, Any]]) -> str:
    """A cell of a grid in words, `paths, tasks.max_train=200`; `the study` where there is but one."""
    return ", ".join(filter(None, [bed, place_text(dict(axes))])) or "the study"

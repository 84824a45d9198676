"""Where a run came to its end: after its last step, or earlier, because one of its guards ended it (`RUN/ended.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise.files import atomic_write_text, read_json

__all__ = ["kept_step", "last_step", "write_ended"]

_FILE = "ended.json"


def write_ended(run: Path, how: Mapping[str, Any]) -> None:
    """Keep that a run ended early: after which `step`, with the `weights_of` which, and `why`.

    Raises:
        StoreError: the directory cannot be written.
    """
    atomic_write_text(run / _FILE, json.dumps(dict(how)) + "\n")


def last_step(run: Path, steps: int) -> int:
    """The step that the run's final weights and evaluation are named by: `steps`, what it was to make, or where it ended early."""
    return _number(run, "step", 1, steps)


def kept_step(run: Path, steps: int) -> int:
    """The step whose weights those are: an earlier one than `last_step`, 0 for the base, where a guard took the last steps back."""
    last = last_step(run, steps)
    return _number(run, "weights_of", 0, last) if last < steps else last


def _number(run: Path, name: str, least: int, most: int) -> int:
    """A step that the file holds, in [least, most]; else `most`."""
    try:
        step = read_json(run / _FILE).get(name)
    except (OSError, ValueError):
        return most
    return step if type(step) is int and least <= step <= most else most

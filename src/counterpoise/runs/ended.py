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
    return _read(run, steps)[0]


def kept_step(run: Path, steps: int) -> int:
    """The step whose weights those are: an earlier one than `last_step`, 0 for the base, where a guard took the last steps back."""
    return _read(run, steps)[1]


def _read(run: Path, steps: int) -> tuple[int, int]:
    """The last step and the one whose weights it has; both are `steps` where no guard ended the run."""
    try:
        found = read_json(run / _FILE)
    except (OSError, ValueError):
        return steps, steps
    step, kept = found.get("step"), found.get("weights_of")
    if type(step) is not int or not 0 < step <= steps:
        return steps, steps
    return step, kept if type(kept) is int and 0 <= kept <= step else step

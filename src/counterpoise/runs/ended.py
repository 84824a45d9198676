"""Where a run came to its end: after its last step, or earlier, because one of its guards ended it (`RUN/ended.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise.files import atomic_write_text, read_json

__all__ = ["last_step", "write_ended"]

_FILE = "ended.json"


def write_ended(run: Path, how: Mapping[str, Any]) -> None:
    """Keep that a run ended early: after which `step`, with the `weights_of` which, and `why`.

    Raises:
        StoreError: the directory cannot be written.
    """
    atomic_write_text(run / _FILE, json.dumps(dict(how)) + "\n")


def last_step(run: Path, steps: int) -> int:
    """The step that the run's final weights and evaluation are named by: `steps`, what it was to make, or where it ended early."""
    try:
        step = read_json(run / _FILE).get("step")
    except (OSError, ValueError):
        return steps
    return step if type(step) is int and 0 < step <= steps else steps

"""The task of an evaluation with its settings: `task.json` beside the manifest, which has the name alone, so that grading needs no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoise.errors import StoreError
from counterpoise.files import atomic_write_text, read_json

__all__ = ["keep_task", "kept_task"]

_FILE = "task.json"


def keep_task(directory: Path, task: Mapping[str, Any]) -> None:
    """Write the section `[tasks]` of the configuration that an evaluation was begun or continued with.

    Raises:
        StoreError: it cannot be written.
    """
    text = json.dumps(dict(task), indent=2, ensure_ascii=True, default=str) + "\n"
    try:
        if read_json(directory / _FILE) == json.loads(text):
            return
    except (OSError, ValueError):
        pass
    atomic_write_text(directory / _FILE, text)


def kept_task(directory: Path) -> dict[str, Any] | None:
    """What `keep_task` wrote; None for one that was made before it was kept, imported, or merged from several tasks.

    Raises:
        StoreError: the file is there and cannot be read.
    """
    path = directory / _FILE
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"cannot read {path}: {reason}; delete it and give the task's settings instead") from error

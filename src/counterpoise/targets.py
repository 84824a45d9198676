"""`RUN@STEP`: how one checkpoint, or one evaluation, of a run is named wherever a run is."""

from __future__ import annotations

import re
from pathlib import Path

from counterpoise.errors import UsageError

__all__ = ["refuse_step", "run_and_step"]


def run_and_step(target: str) -> tuple[Path, int | None]:
    """The path and the step of `RUN@STEP`; the path alone where there is no @, or the path itself has one."""
    path = Path(target)
    chosen = re.fullmatch(r"(.+)@([0-9]+)", target)
    return (Path(chosen[1]), int(chosen[2])) if chosen and not path.exists() else (path, None)


def refuse_step(target: str, path: Path, step: int | None) -> None:
    """Refuse the step of what is not a run.

    Raises:
        UsageError: there is one.
    """
    if step is not None:
        raise UsageError(f"{target}: @ chooses a step of a run, and {path} is not a run directory (no config.toml)")

"""`RUN@STEP`: how one checkpoint, or one evaluation, of a run is named wherever a run is."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["run_and_step"]


def run_and_step(target: str) -> tuple[Path, int | None]:
    """The path and the step of `RUN@STEP`; the path alone where there is no @, or the path itself has one."""
    path = Path(target)
    chosen = re.fullmatch(r"(.+)@([0-9]+)", target)
    return (Path(chosen[1]), int(chosen[2])) if chosen and not path.exists() else (path, None)

"""`python -m counterpoise.engines.trl RUN/launch.toml RUN/arguments.json`: one process of what `counterpoise launch trl` starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from counterpoise.engines.trl.launched import train_launched
from counterpoise.errors import CounterpoiseError

__all__ = ["run_launched"]


def run_launched(arguments: Sequence[str]) -> int:
    """Train; the exit code."""
    if len(arguments) != 2:
        print("error: give the run file and the arguments that counterpoise launch trl wrote", file=sys.stderr)
        return 2
    try:
        train_launched(Path(arguments[0]), Path(arguments[1]))
    except CounterpoiseError as error:
        if os.environ.get("COUNTERPOISE_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run_launched(sys.argv[1:]))

"""The directory of a launched run: what it was begun with, so that the same command goes on and another one is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from counterpoise.build.problems import Problems
from counterpoise.config import RunConfig
from counterpoise.errors import UsageError
from counterpoise.files import atomic_write_text, read_json
from counterpoise.json_text import JsonFault
from counterpoise.runfile import dump_config
from counterpoise.runs.identity import Identity, Side, identity_of, refuse_differing, same_problems, side_of

__all__ = ["RUN_FILE", "begin_directory", "check_launched"]

RUN_FILE: Final = "launch.toml"
"""The run file, defaults included, in the run's directory."""
_IDENTITY: Final = "identity.json"
_ENGINE: Final = "engine.json"


def check_launched(config: RunConfig, problems: Problems, *, engine: str) -> None:
    """Refuse a directory that holds something else than this run; nothing is written.

    Raises:
        UsageError: it holds something else, or a run of another engine.
        ConfigError, DataError: a run was begun there with other settings or problems.
    """
    path = config.path
    if path.is_file():
        raise UsageError(f"{path} is a file; give another run.name")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not (path / RUN_FILE).is_file():
        raise UsageError(
            f"{path} holds something else than a run that was launched; give another run.name, e.g. run.name={path.name}-{engine}"
        )
    try:
        begun = read_json(path / _ENGINE).get("engine")
    except (OSError, JsonFault):
        begun = None
    if begun != engine:
        raise UsageError(
            f"{path} is a run of {begun or 'an unknown engine'}, and {engine} cannot go on with it; give another run.name"
        )
    before = Identity.read(path / _IDENTITY)
    if before is None:
        raise UsageError(f"{path / _IDENTITY} is missing or damaged; give another run.name")
    refuse_differing(before, config, where=path / RUN_FILE, copy=None)
    same_problems(before, _sides(problems), where=path)


def begin_directory(config: RunConfig, problems: Problems, *, engine: str, command: Sequence[str]) -> None:
    """Write the run file, what the run is, and the command that starts it and goes on with it."""
    path = config.path
    path.mkdir(parents=True, exist_ok=True)
    if not (path / _IDENTITY).is_file():
        sides = _sides(problems)
        atomic_write_text(path / _IDENTITY, identity_of(config, sides).to_text())
        atomic_write_text(path / _ENGINE, json.dumps({"engine": engine}))
    atomic_write_text(path / RUN_FILE, dump_config(config))
    atomic_write_text(path / "command.sh", "#!/bin/sh\nexec " + " \\\n    ".join(command) + "\n")


def _sides(problems: Problems) -> dict[str, Side]:
    return (
        {"train": side_of(problems.train), "test": side_of(problems.test)}
        if problems.test
        else {"train": side_of(problems.train)}
    )

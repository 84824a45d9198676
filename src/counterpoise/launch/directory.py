"""The directory of a launched run: what it was begun with, so that the same command goes on and another one is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
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


def check_launched(
    config: RunConfig, problems: Problems, *, engine: str, own: Mapping[str, str], free: Sequence[str]
) -> None:
    """Refuse a directory that holds something else than this run; nothing is written.

    Args:
        config: the run file.
        problems: both sides.
        engine: the engine's name.
        own: options of the engine's own, which are as much of the run as the run file is.
        free: what the names of options begin with that may change: how far it goes, and where.

    Raises:
        UsageError: it holds something else, a run of another engine, or one with other options.
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
        written = read_json(path / _ENGINE)
        begun, options = written.get("engine"), written.get("options")
    except (OSError, JsonFault):
        begun, options = None, None
    if begun != engine:
        raise UsageError(
            f"{path} is a run of {begun or 'an unknown engine'}, and {engine} cannot go on with it; give another run.name"
        )
    before = Identity.read(path / _IDENTITY)
    if before is None:
        raise UsageError(f"{path / _IDENTITY} is missing or damaged; give another run.name")
    refuse_differing(before, config, where=path / RUN_FILE, copy=None)
    same_problems(before, _sides(problems), where=path)
    if isinstance(options, dict):  # one that an earlier version began says nothing of them
        _refuse_other_options(options, _bare(own), tuple(free), where=path)


def _bare(own: Mapping[str, str]) -> dict[str, str]:
    """By name, whatever pluses stand before it."""
    return {name.lstrip("+"): str(value) for name, value in own.items()}


def _refuse_other_options(
    before: Mapping[str, object], now: Mapping[str, str], free: tuple[str, ...], *, where: Path
) -> None:
    changed = [
        f"{name} is {now.get(name, 'not given')} and was {before.get(name, 'not given')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and not name.startswith(free)
    ]
    if changed:
        raise UsageError(
            f"{where} is a run with other options of its engine's: {', '.join(changed)}; give the same with --engine, or another run.name"
        )


def begin_directory(
    config: RunConfig, problems: Problems, *, engine: str, own: Mapping[str, str], command: Sequence[str]
) -> None:
    """Write the run file, what the run is, and the command that starts it and goes on with it."""
    path = config.path
    path.mkdir(parents=True, exist_ok=True)
    if not (path / _IDENTITY).is_file():
        sides = _sides(problems)
        atomic_write_text(path / _IDENTITY, identity_of(config, sides).to_text())
        atomic_write_text(path / _ENGINE, json.dumps({"engine": engine, "options": _bare(own)}))
    atomic_write_text(path / RUN_FILE, dump_config(config))
    atomic_write_text(path / "command.sh", "#!/bin/sh\nexec " + " \\\n    ".join(command) + "\n")


def _sides(problems: Problems) -> dict[str, Side]:
    return (
        {"train": side_of(problems.train), "test": side_of(problems.test)}
        if problems.test
        else {"train": side_of(problems.train)}
    )

"""Copies of a run's own files that its checkpoints hold, and what its configuration must have."""

from __future__ import annotations

from pathlib import Path

from counterpoise.errors import ConfigError
from counterpoise.runs.identity import Identity
from counterpoise.tables import read_tables

__all__ = ["newest_identity", "newest_kept", "refuse_damaged"]

_SECTIONS = (
    "run",
    "model",
    "tasks",
    "prompt",
    "rollout",
    "verification",
    "credit",
    "loss",
    "learner",
    "checkpoint",
    "evaluation",
    "tracking",
)
"""Sections that every version has written into every configuration."""


def refuse_damaged(saved: Path, restore: str) -> None:
    """See that a run's configuration can be read and has every section.

    Args:
        saved: the file.
        restore: how to get it back, for the message.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        tables = read_tables(saved)
    except ConfigError as error:
        raise ConfigError(f"{error}{restore}") from error
    if lost := [section for section in _SECTIONS if section not in tables]:
        raise ConfigError(f"{saved} is damaged: the sections {', '.join(lost)} are missing{restore}")


def newest_kept(run: Path, name: str) -> Path | None:
    """The file of that name in the newest checkpoint that has one."""
    found = [path for path in run.glob(f"checkpoints/step-*/{name}") if path.parent.name[5:].isdigit()]
    return max(found, key=lambda path: int(path.parent.name[5:]), default=None)


def newest_identity(run: Path) -> Identity | None:
    """The identity in the newest checkpoint that has one."""
    path = newest_kept(run, "identity.json")
    return None if path is None else Identity.read(path)

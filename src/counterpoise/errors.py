"""Errors a user can meet: one base class, one class per boundary.

Every message says what was found, where, and what to do about it. The command line prints the message alone
(exit code 2 for `UsageError` and its subclasses, 1 for a run that failed) and never a traceback for these classes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "CounterpoiseError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "ServerError",
    "StoreError",
    "TrainingError",
    "UnknownNameError",
    "UsageError",
    "VerifierError",
    "error_line",
    "install_command",
    "nearest",
]


class CounterpoiseError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class UsageError(CounterpoiseError, ValueError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A run file or an override is malformed, unknown or contradictory."""


class DataError(UsageError):
    """A file of problems, responses or counts is malformed or empty."""


class ModelError(UsageError):
    """A model directory or id cannot be loaded."""


class MissingExtraError(UsageError):
    """An optional dependency is needed and absent."""

    def __init__(self, package: str, *, extra: str, purpose: str, command: str | None = None) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed; "
            "install it with: " + (command or install_command(package, extra=extra))
        )


class UnknownNameError(UsageError):
    """A registry was asked for a name it does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {kind} '{name}'{nearest(name, names, 'Known')}: {', '.join(names)}")


class ServerError(CounterpoiseError):
    """A server does not answer, or not as it should; what it answered before is kept."""


class StoreError(CounterpoiseError):
    """A rollout store or a metrics file cannot be read or written."""


class CheckpointError(CounterpoiseError):
    """No usable checkpoint, or one that does not fit the run."""


class TrainingError(CounterpoiseError):
    """A training step was refused; the run stops at its last good state."""


class VerifierError(CounterpoiseError):
    """A verifier cannot be started at all (one response that fails is a verdict, not an error)."""


def error_line(error: BaseException) -> str:
    """The first line of a foreign error, for the middle of a sentence of ours; its class where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def install_command(package: str, *, extra: str) -> str:
    """`pip install` of what an extra of this package asks for, by name: it also works where counterpoise itself is on no index."""
    # Here, for it takes longer than all else in this module, and most messages name no package.
    import importlib.metadata

    try:
        wanted = importlib.metadata.requires("counterpoise") or []
    except importlib.metadata.PackageNotFoundError:
        wanted = []
    found = []
    for requirement in wanted:
        name, _, marker = requirement.partition(";")
        if re.fullmatch(rf"""\s*extra\s*==\s*['"]{re.escape(extra)}['"]\s*""", marker):
            found.append(f"'{name.strip()}'")
    return f"pip install {' '.join(found) or package}"


def nearest(name: str, known: Iterable[str], then: str = "") -> str:
    """`; did you mean 'x'?` for the closest known name, or the empty string.

    Args:
        name: what was written.
        known: what it can be.
        then: a sentence to go on with, e.g. `It takes: …`; after a semicolon, with a small letter, where no name is close.
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?{' ' if then else ''}{then}"
    return f"; {then[0].lower()}{then[1:]}" if then else ""

"""Base class of verifiers that run programs."""

from __future__ import annotations

import sys
from abc import ABC
from typing import ClassVar

from counterpoise.types import Extraction
from counterpoise.verifiers.guests.programs import extract_program
from counterpoise.verifiers.sandbox.levels import best_level, unsafe_words
from counterpoise.verifiers.sandbox.limits import Limits

__all__ = ["Confined"]


class Confined(ABC):
    """A verifier whose answers are programs that run in the sandbox; a subclass has these settings, a name and `judge`.

    Raises:
        VerifierError: programs cannot be confined here.
    """

    name: ClassVar[str]
    isolated: ClassVar[bool] = True
    """It waits for other processes, and parses what they send."""

    __slots__ = ()

    seconds: int
    memory_mb: int
    unsafe: bool

    def __post_init__(self) -> None:
        best_level(unsafe=self.unsafe)

    @property
    def announcement(self) -> str | None:
        """That programs of responses may run without a sandbox, where that was accepted."""
        return unsafe_words(self.name) if self.unsafe else None

    @property
    def version(self) -> str:
        """This module's version, Python's, the sandbox's level, and the limits."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"2+python-{python}+{best_level(unsafe=self.unsafe)}+{self._limit_words()}"

    def extract(self, response: str) -> Extraction:
        """The program inside a response; see `counterpoise.verifiers.guests.programs`."""
        return extract_program(response)

    def _limit_words(self) -> str:
        return f"{self.seconds}s+{self.memory_mb}MB"

    def _limits(self) -> Limits:
        return Limits(seconds=self.seconds, memory_mb=self.memory_mb, overload_seconds=30.0 + 10.0 * self.seconds)

"""The judge of a run file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.config import VerificationConfig
from counterpoise.plugins import known_as
from counterpoise.verifiers.judge import Judge

__all__ = ["judge_of"]


def judge_of(verification: VerificationConfig, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Judge:
    """What judges responses as the run file says; `settings` of verifiers take the place of the run file's.

    Raises:
        UnknownNameError: the settings name no known verifier.
        ConfigError: a setting that its verifier does not have, or a bad value.
    """
    given = verification.settings if settings is None else settings
    return Judge(
        timeout=verification.timeout,
        workers=verification.workers,
        truncated_is=verification.truncated,
        blame=verification.blame,
        settings={known_as(name): one for name, one in given.items()},
    )

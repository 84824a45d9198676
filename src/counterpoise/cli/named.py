"""What a command line names: a run file, the run called after the files where it has no name, and a verifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterpoise.config import RunConfig

__all__ = ["check_verifier", "named_config"]


def named_config(run: Path, settings: Sequence[str]) -> RunConfig:
    """The run file with settings and further files over it; without `run.name` it is called after all of them, e.g. `qwen3-4b-nsr`.

    Raises:
        ConfigError: as `load_config`.
    """
    from counterpoise.runfile import is_run_file, load_config, quoted

    config = load_config(run, settings)
    if "name" in config.run.model_fields_set:
        return config
    stems = "-".join([run.stem, *(Path(word).stem for word in settings if is_run_file(word))])
    return load_config(run, [*settings, quoted("run.name", stems)])


def check_verifier(name: str) -> None:
    """See that there is such a verifier, before anything is read for it.

    Raises:
        UnknownNameError: there is none.
        ConfigError: it is written as an import path and is none.
    """
    from counterpoise.errors import UnknownNameError
    from counterpoise.verifiers.registry import VERIFIERS

    if name not in VERIFIERS:
        raise UnknownNameError("verifier", name, list(VERIFIERS.known()))

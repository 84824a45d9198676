"""A run file from the command line, the run called after the files where it has no name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterpoise.config import RunConfig

__all__ = ["named_config"]


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

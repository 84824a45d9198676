"""What a command of verl's own reads and writes on this machine: data, model and directory, looked at before Ray starts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from counterpoise.errors import UsageError

__all__ = ["check_inputs", "check_numbers"]

_NUMBERS: Final = (
    "data.train_batch_size", "data.max_prompt_length", "data.max_response_length", "actor_rollout_ref.rollout.n",
    "actor_rollout_ref.actor.ppo_mini_batch_size", "actor_rollout_ref.actor.ppo_epochs", "trainer.n_gpus_per_node", "trainer.nnodes",
)  # fmt: skip


def check_numbers(config: Any) -> None:
    """Refuse text where verl's configuration, which has no types, wants a whole number.

    Raises:
        UsageError: with the key.
    """
    from omegaconf import OmegaConf

    for key in _NUMBERS:
        value = OmegaConf.select(config, key)
        if type(value) is not int or value < 1:
            raise UsageError(f"{key}={value}: give a whole number of at least 1")


def check_inputs(config: Any) -> None:
    """Refuse data or a model that is not there, and a directory that cannot be written, where they are of this machine.

    Args:
        config: verl's whole configuration.

    Raises:
        UsageError: with the key and the path.
    """
    for key in ("train_files", "val_files"):
        given = config.data.get(key)
        files = [given] if isinstance(given, str) else list(given or ())
        if not files:
            raise UsageError(f"data.{key} names no file; give the Parquet files of prompts")
        for file in files:
            _check_file(f"data.{key}", str(file))
    _check_model(str(config.actor_rollout_ref.model.path))
    _check_directory(str(config.trainer.default_local_dir))


def _check_file(key: str, file: str) -> None:
    if "://" in file:
        return
    path = Path(file).expanduser()
    if not path.is_file():
        raise UsageError(
            f"{key}={file} is no file; give the Parquet files of prompts (counterpoise launch verl writes them)"
        )
    if path.suffix != ".parquet":
        return
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        rows = ParquetFile(path).metadata.num_rows
    except (ArrowException, OSError) as error:
        raise UsageError(
            f"{key}={file} cannot be read as Parquet ({' '.join(str(error).split())}); write it again"
        ) from error
    if not rows:
        raise UsageError(f"{key}={file} has no rows; give a file with some")


def _check_model(name: str) -> None:
    if not name.startswith(("/", ".", "~")):
        return  # of the hub, or of a remote file system
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        what = "has no config.json" if folder.is_dir() else "is no directory"
        raise UsageError(
            f"actor_rollout_ref.model.path={name} {what}; give a model's directory, or a hub id such as org/name"
        )


def _check_directory(name: str) -> None:
    folder = Path(name).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"trainer.default_local_dir={name} cannot be written ({error.strerror or error}); give one that can, for checkpoints"
        ) from error

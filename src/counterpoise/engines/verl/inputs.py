"""What a command of verl's own reads and writes on this machine: data, model and directory, looked at before Ray starts."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from counterpoise.engines.arguments import is_number
from counterpoise.engines.verl.hydra import compose_config
from counterpoise.errors import UsageError

__all__ = ["check_inputs", "check_numbers", "check_paths"]

_MODEL: Final = "a model's directory, or a hub id such as org/name"

_WHOLE: Final = (
    "data.train_batch_size", "data.max_prompt_length", "data.max_response_length", "actor_rollout_ref.rollout.n",
    "actor_rollout_ref.actor.ppo_mini_batch_size", "actor_rollout_ref.actor.ppo_epochs", "trainer.n_gpus_per_node", "trainer.nnodes",
    "trainer.total_epochs",
)  # fmt: skip
_WHOLE_OR_NULL: Final = (
    "trainer.total_training_steps", "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu", "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu",
)  # fmt: skip
_ABOVE_ZERO: Final = ("actor_rollout_ref.rollout.temperature", "actor_rollout_ref.rollout.top_p")
_NOT_NEGATIVE: Final = ("actor_rollout_ref.actor.optim.lr", "actor_rollout_ref.actor.optim.weight_decay")
_TEXT_TOO: Final = ("algorithm.rollout_correction.rollout_is_threshold",)
"""Numbers that verl also takes as text, `0.5_2.0`."""


def check_numbers(config: Any) -> None:
    """Refuse what is no number, or no truth value, where verl's configuration, which has no types, has one by itself; and some ranges.

    Raises:
        UsageError: with the key.
    """
    from omegaconf import OmegaConf

    for key in (*_WHOLE, *_WHOLE_OR_NULL):
        value, null = OmegaConf.select(config, key), key in _WHOLE_OR_NULL
        if (value is not None or not null) and (type(value) is not int or value < 1):
            raise UsageError(f"{key}={value}: give a whole number of at least 1{', or null' * null}")
    _hold_kinds(OmegaConf.to_container(config, resolve=True), _usual(), "")
    for key in (*_ABOVE_ZERO, *_NOT_NEGATIVE):
        value, above = OmegaConf.select(config, key), key in _ABOVE_ZERO
        if value is None or value < 0 or (above and value == 0):
            raise UsageError(f"{key}={value}: give a number {'above 0' if above else 'of at least 0'}")


@cache
def _usual() -> Any:
    """What verl has without any override."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(compose_config([]), resolve=True)


def _hold_kinds(given: Any, usual: Any, key: str) -> None:
    """Compare what stands under a key with what does without any override."""
    if isinstance(usual, dict) and isinstance(given, dict):
        for name, value in given.items():
            _hold_kinds(value, usual.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(usual, list) and isinstance(given, list):
        for value in given:
            _hold_kinds(value, usual[0] if usual else None, key)
    elif isinstance(usual, bool):
        if isinstance(given, (str, list, dict)):  # any text is true in Python, `no` too
            raise UsageError(f"{key}={given}: give true or false")
    elif isinstance(usual, (int, float)) and key not in _TEXT_TOO and given is not None:
        number = is_number(given) and not math.isnan(given)
        if not number:
            raise UsageError(f"{key}={given}: give a number; without it it is {usual:g}")


def check_paths(config: Any) -> None:
    """Refuse what is no name where verl wants a file or a directory: it would be taken for one that is called so, `None` for one.

    Raises:
        UsageError: with the key.
    """
    for key in ("train_files", "val_files"):
        _files_of(config, key)
    _text("actor_rollout_ref.model.path", config.actor_rollout_ref.model.path, _MODEL)
    _text("trainer.default_local_dir", config.trainer.default_local_dir, "the directory of the run's checkpoints")


def check_inputs(config: Any) -> None:
    """Refuse data or a model that is not there, and a directory that cannot be written, where they are of this machine.

    Args:
        config: verl's whole configuration.

    Raises:
        UsageError: with the key and the path.
    """
    check_paths(config)
    for key in ("train_files", "val_files"):
        for file in _files_of(config, key):
            _check_file(f"data.{key}", file)
    _check_model(str(config.actor_rollout_ref.model.path))
    _check_directory(str(config.trainer.default_local_dir))


def _files_of(config: Any, key: str) -> list[str]:
    given = config.data.get(key)
    several = isinstance(given, Sequence) and not isinstance(given, str)
    files = list(given) if several else [given]
    if given is None or not files:
        raise UsageError(f"data.{key} names no file; give the Parquet files of prompts")
    return [_text(f"data.{key}", file, "the Parquet files of prompts") for file in files]


def _text(key: str, value: Any, what: str) -> str:
    if not isinstance(value, (str, Path)) or not str(value).strip():
        raise UsageError(f"{key}={'null' if value is None else value}: give {what}")
    return str(value)


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
        raise UsageError(f"actor_rollout_ref.model.path={name} {what}; give {_MODEL}")


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

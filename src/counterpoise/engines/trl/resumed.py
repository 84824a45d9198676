"""The files of a checkpoint that a run of TRL's goes on from: one that is damaged is named, where torch names neither it nor a way on."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from counterpoise.errors import CheckpointError, CounterpoiseError, error_line
from counterpoise.models.load import check_safetensors

__all__ = ["check_resumed", "resuming"]

_UNREAD: Final = "training_args.bin"
"""Nothing goes on from it."""


def check_resumed(checkpoint: Path) -> None:
    """Refuse a checkpoint with a file that was cut off, by its head and its end: before a model is moved, and without reading it.

    Raises:
        ModelError: the weights are damaged.
        CheckpointError: another file is.
    """
    for path in sorted(checkpoint.glob("*.safetensors")):
        check_safetensors(path)
    for path in sorted(one for end in ("pt", "pth", "bin") for one in checkpoint.glob(f"*.{end}")):
        if path.name != _UNREAD and path.is_file() and not zipfile.is_zipfile(path):  # torch's files are archives
            raise CheckpointError(
                f"{path} is damaged (no whole archive of torch; {path.stat().st_size:,} bytes); {_remedy(checkpoint)}"
            )


@contextlib.contextmanager
def resuming(checkpoint: object, what: str) -> Iterator[None]:
    """What loading a part of a checkpoint raises, as a line; None is no checkpoint.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    try:
        yield
    except CounterpoiseError:
        raise
    except Exception as error:
        if checkpoint is None:
            raise
        raise CheckpointError(
            f"cannot load {what} of {checkpoint}: {error_line(error)}; {_remedy(Path(str(checkpoint)))}"
        ) from error


def _remedy(checkpoint: Path) -> str:
    return f"copy it again, or remove {checkpoint.name} to go on from the checkpoint before it"

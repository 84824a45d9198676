"""Models in another format, converted once to a Hugging Face directory and kept: a reader sees a whole one or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from counterpoise.errors import ModelError
from counterpoise.files import fsync_directory

__all__ = ["cache_directory", "keep_converted"]


def cache_directory() -> Path:
    """`$COUNTERPOISE_CACHE`, or `~/.cache/counterpoise`."""
    chosen = os.environ.get("COUNTERPOISE_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "counterpoise"


def keep_converted(target: Path, convert: Callable[[Path], object], *, what: str, room: str) -> None:
    """Let `convert` write into a directory beside `target`, and rename it; of several processes the first one's stays.

    Args:
        target: where it is kept.
        convert: gets an empty directory.
        what: is converted, for the message.
        room: that it takes on disk, for the message.

    Raises:
        ModelError: it cannot be written there.
    """
    root, place = target.parent, None
    try:
        root.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=root, prefix=f".{target.name}."))
        place.chmod(0o755)
        convert(place)
        _publish(place, target)
    except OSError as error:
        raise ModelError(
            f"cannot write the converted {what} to {root}: {error.strerror or error}; free {room} there, or set COUNTERPOISE_CACHE to a "
            "directory you may write to"
        ) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _publish(place: Path, target: Path) -> None:
    """Flush every file and rename the directory; if another process was first, its result is the one that stays."""
    for path in place.iterdir():
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
    fsync_directory(place)
    try:
        os.rename(place, target)
    except OSError:
        if not (target / "config.json").is_file():
            raise
    fsync_directory(target.parent)

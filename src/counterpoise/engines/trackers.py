"""Where metrics go besides metrics.jsonl: the trackers accelerate knows, checked by name before the run begins."""

from __future__ import annotations

from collections.abc import Sequence

from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError

__all__ = ["check_trackers"]

_EXTRAS = ("tensorboard", "trackio", "wandb")


def check_trackers(names: Sequence[str]) -> None:
    """See that every tracker exists and is installed; accelerate would leave out in silence one that is not.

    Raises:
        UnknownNameError: accelerate has no such tracker.
        MissingExtraError, ConfigError: its package is not installed.
    """
    known = [str(kind) for kind in LoggerType if kind is not LoggerType.ALL]
    available = [str(kind) for kind in get_available_trackers()]
    for name in names:
        if name not in known:
            raise UnknownNameError("tracking.trackers", name, known)
        if name not in available and name in _EXTRAS:
            raise MissingExtraError(name, extra=name, purpose=f"tracking.trackers={name}")
        if name not in available:
            raise ConfigError(
                f"tracking.trackers={name} needs a package that is not installed; see the tracker's manual"
            )

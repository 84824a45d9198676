"""Where metrics go besides metrics.jsonl: the trackers accelerate knows, checked by name before the run begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from counterpoise.config import RunConfig
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.runs.directory import RunDirectory

__all__ = ["Trackers", "check_trackers", "make_accelerator"]

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


def make_accelerator(run: RunDirectory, *, tracked: bool = True) -> Accelerator:
    """Device, precision and trackers of a run; they are checked, and not begun, where nothing is to be `tracked`.

    Raises:
        UnknownNameError, MissingExtraError, ConfigError: a tracker is not there, or accelerate refuses the precision.
    """
    config: RunConfig = run.config
    trackers: Any = (config.tracking.trackers or None) if tracked else None
    check_trackers(config.tracking.trackers)
    try:
        accelerator = Accelerator(
            mixed_precision=config.learner.mixed_precision, log_with=trackers, project_dir=str(run.path)
        )
        if trackers:
            accelerator.init_trackers(config.tracking.project)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"accelerate refused this configuration: {error}") from error
    prompts, processes = config.rollout.prompts_per_step, accelerator.num_processes
    if prompts < processes:
        raise ConfigError(
            f"rollout.prompts_per_step={prompts} leaves some of the {processes} processes without a prompt; raise it, or start fewer"
        )
    return accelerator


class Trackers:
    """The trackers of a run, told its metrics. One that fails (no disk, no network, its own mistake) is not called again; the run goes on.

    Args:
        accelerator: holds them.
        say: gets one line for each that is lost.
    """

    def __init__(self, accelerator: Accelerator, *, say: Callable[[str], None]) -> None:
        self._accelerator = accelerator
        self._say = say
        self._lost: set[str] = set()

    def log(self, record: Mapping[str, float], *, step: int) -> None:
        """Tell all of them the finite numbers of a step."""
        values = {name: value for name, value in record.items() if math.isfinite(value)}
        for tracker in self._accelerator.trackers:
            if tracker.name not in self._lost:
                self._try(tracker.name, partial(tracker.log, values, step=step))

    def end(self) -> None:
        """Let them finish what they write."""
        if self._accelerator.trackers:
            self._try("tracking", self._accelerator.end_training)

    def _try(self, name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            self._lost.add(name)
            self._say(
                f"{name} failed ({type(error).__name__}: {error}) and is not called again; metrics.jsonl has every step"
            )

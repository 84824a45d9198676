"""Where metrics go besides metrics.jsonl: the trackers accelerate knows, checked by name before the run begins."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType

from counterpoise.config import RunConfig
from counterpoise.engines.local.tracked import (
    SAMPLE_COLUMNS,
    curve_values,
    grouped,
    markdown,
    run_settings,
    sample_rows,
)
from counterpoise.errors import ConfigError, MissingExtraError, UnknownNameError
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.files import atomic_write_text, read_text
from counterpoise.processes import on_main
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.identity import TRACKING_ID

__all__ = ["Trackers", "check_trackers", "make_accelerator"]

_EXTRAS = ("tensorboard", "trackio", "wandb")
_TENSORBOARD = "tensorboard"


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
            accelerator.init_trackers(config.tracking.project, init_kwargs=_named(run))
    except (ValueError, ImportError) as error:
        raise ConfigError(f"accelerate refused this configuration: {error}") from error
    prompts, processes = config.rollout.prompts_per_step, accelerator.num_processes
    if prompts < processes:
        raise ConfigError(
            f"rollout.prompts_per_step={prompts} leaves some of the {processes} processes without a prompt; raise it, or start fewer"
        )
    return accelerator


def _named(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """What each tracker calls the run, and by what it knows one that is continued; their files go into the run's directory."""
    name = run.config.run.name
    wandb = {"name": name, "id": on_main(lambda: _resume_id(run)), "resume": "allow", "dir": str(run.path)}
    return {"wandb": wandb, "trackio": {"name": name, "resume": "allow"}}


def _resume_id(run: RunDirectory) -> str:
    """The same for a run however often it is continued, and wherever it is moved; another for another run of that name."""
    path = run.path / TRACKING_ID
    if not path.is_file():
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", run.config.run.name)[:80]
        atomic_write_text(path, f"{plain}-{secrets.token_hex(4)}")
    return read_text(path).strip()


class Trackers:
    """The trackers of a run, which get its metrics. One that fails (disk, network, its own mistake) is not called again; the run goes on.

    Args:
        accelerator: holds them.
        say: gets one line for each that is lost.
    """

    def __init__(self, accelerator: Accelerator, *, say: Callable[[str], None]) -> None:
        self._accelerator = accelerator
        self._say = say
        self._lost: set[str] = set()

    def begin(self, config: RunConfig) -> None:
        """Tell all of them the settings: TensorBoard as a text, because each of its tables of settings is a run of its own."""
        values = run_settings(config)
        for tracker in self._there():
            if tracker.name == _TENSORBOARD:
                text = "\n".join(f"    {key} = {value}" for key, value in values.items())
                self._try(tracker.name, partial(tracker.log, {"run/settings": text}, step=0))
            elif hasattr(tracker, "store_init_configuration"):
                self._try(tracker.name, partial(tracker.store_init_configuration, values))

    def log(self, record: Mapping[str, float], *, step: int) -> None:
        """Tell all of them the finite numbers of a step, in groups."""
        self._log(grouped(record), step)

    def evaluated(self, result: EvaluationResult, *, step: int) -> None:
        """Tell all of them pass@k with its intervals."""
        self._log(curve_values(result), step)

    def samples(self, samples: Sequence[Mapping[str, Any]], *, step: int) -> None:
        """Show a few rollouts as a table where the tracker has tables, in TensorBoard as a text."""
        for tracker in self._there() if samples else ():
            if tracker.name == _TENSORBOARD:
                self._try(tracker.name, partial(tracker.log, {"rollouts/samples": markdown(samples)}, step=step))
            elif hasattr(tracker, "log_table"):
                rows, columns = sample_rows(samples), list(SAMPLE_COLUMNS)
                table = partial(tracker.log_table, "rollouts/samples", columns=columns, data=rows, step=step)
                self._try(tracker.name, table)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self._there():
            self._try(tracker.name, partial(tracker.log, dict(values), step=step))

    def _there(self) -> list[Any]:
        return [tracker for tracker in self._accelerator.trackers if tracker.name not in self._lost]

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

"""A study: the same run under several settings (arms) and several seeds, resumable at every checkpoint.

DIRECTORY/ARM-seed0/  ARM-seed1/ …                         a run directory each
DIRECTORY/BED/tasks.max_train=100/ARM-seed0/ …             in a grid, under its bed and its values of the axes
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from counterpoise.build.checks import check_names, check_policy
from counterpoise.build.problems import Problems, problems_of
from counterpoise.config import RunConfig
from counterpoise.errors import ConfigError, TrainingError, UsageError
from counterpoise.evaluation.statistics.places import place_text
from counterpoise.garbage import importing_the_engine
from counterpoise.jobs.study.pace import TimeLeft
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.ended import kept_step, last_step
from counterpoise.runs.identity import changed_settings, pinned, told_changes

if TYPE_CHECKING:
    from counterpoise.engines.local.observer import Observer
    from counterpoise.evaluation.summary import EvaluationResult

__all__ = ["Study", "StudyRun", "base_run", "run_directory"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """One arm under one seed."""

    arm: str
    """Name of the arm."""
    seed: int
    """Seed of the run."""
    config: RunConfig
    """The whole run."""
    base: Path
    """Run whose evaluation before training is this run's base."""
    measured: Sequence[str] = ()
    """`evaluation.KEY=VALUE` under which it is measured once more; empty is as it was trained."""
    bed: str = ""
    """Name of its bed; empty where the study has one run file."""
    axes: Mapping[str, Any] = field(default_factory=dict)
    """Its value on each axis, by dotted setting; empty where the study has none."""

    @property
    def place(self) -> str:
        """Bed and values of the axes in words: what arms are compared within; empty where a study has neither."""
        return ", ".join(filter(None, [self.bed, place_text(self.axes)]))

    @property
    def label(self) -> str:
        """`nsr, seed 0`, behind its place in a grid."""
        return ", ".join(filter(None, [self.place, self.arm, f"seed {self.seed}"]))

    @property
    def steps_done(self) -> int:
        """Steps that a run which goes on would not make again: those of its newest checkpoint."""
        names = [checkpoint.name[len(_STEP) :] for checkpoint in self.config.path.glob(f"checkpoints/{_STEP}*")]
        return max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0)

    @property
    def evaluated(self) -> list[int]:
        """Steps after which it was measured like this, ascending; the base is none of them."""
        if not (self.config.path / "config.toml").is_file():
            return []
        found = RunDirectory.read(self.config.path, self.measured).evaluations.glob(f"{_STEP}*/passk.json")
        names = [path.parent.name[len(_STEP) :] for path in found]
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and int(name))

    @property
    def trained(self) -> bool:
        """Whether the run has come to its end."""
        return _store(self.config.path, self.last_step, ()) is not None

    @property
    def last_step(self) -> int:
        """The step that its final evaluation is named by: where its guards ended it early, else `learner.steps`."""
        return last_step(self.config.path, self.config.learner.steps)

    @property
    def kept_step(self) -> int:
        """The step whose weights it ended with: the last, or an earlier one to which a guard went back."""
        return kept_step(self.config.path, self.config.learner.steps)

    def result(self, step: int | None = None) -> EvaluationResult | None:
        """pass@k after a step, the last by default; None when the run has not come so far, or was not measured like this.

        One that was ended early stays what it then was.
        """
        last = self.last_step
        early = last < self.config.learner.steps
        return _evaluated(self.config.path, last if step is None or (early and step > last) else step, self.measured)

    def base_result(self) -> EvaluationResult | None:
        """pass@k of the base; None when it was not evaluated yet."""
        return _evaluated(self.base, 0, self.measured)

    def base_at(self, temperature: float) -> EvaluationResult | None:
        """pass@k of the base at another temperature, everything else as the run has it; None when it was not measured."""
        return _evaluated(self.base, 0, (_at(temperature),))

    @property
    def base_temperatures(self) -> list[float]:
        """Other temperatures that its base was measured at, everything else as the run has it; ascending."""
        folders = [path.name.partition(_COLDER)[2] for path in self.base.glob(f"{_COLDER}*")]
        numbers = [name.partition("-")[0] for name in folders]
        known = {float(number) for number in numbers if _NUMBER.fullmatch(number)}
        return sorted(value for value in known if value > 0 and _store(self.base, 0, (_at(value),)) is not None)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Arms times seeds, in the order they are run: all arms under one seed before the next, so that a part of it is a fair picture."""

    directory: Path
    """Where its runs are."""
    runs: Sequence[StudyRun]
    """All of them."""

    @property
    def in_grid(self) -> bool:
        """Whether it has beds or axes."""
        return any(run.bed or run.axes for run in self.runs)

    @cached_property
    def places(self) -> dict[str, list[StudyRun]]:
        """Runs by `StudyRun.place`; a study without beds and axes has one, named by the empty text."""
        found: dict[str, list[StudyRun]] = {}
        for run in self.runs:
            found.setdefault(run.place, []).append(run)
        return found

    @property
    def arms(self) -> list[str]:
        """Names in the order of the file."""
        return list(dict.fromkeys(run.arm for run in self.runs))

    @property
    def placebo(self) -> str | None:
        """The arm whose reward is a coin (`credit.reward = "random"`); None without one, or with several."""
        coined = list(dict.fromkeys(run.arm for run in self.runs if run.config.credit.reward == "random"))
        return coined[0] if len(coined) == 1 else None

    def stores(self, temperatures: Sequence[float] = ()) -> list[Path]:
        """Directories of the finished evaluations that its table is made of, bases first, each once."""
        found = [
            _store(run.base, 0, settings) for run in self.runs for settings in (run.measured, *map(_cold, temperatures))
        ]
        found += [_store(run.config.path, run.last_step, run.measured) for run in self.runs]
        return list(dict.fromkeys(path for path in found if path is not None))

    def train(
        self,
        *,
        observer: Observer | None = None,
        on_run: Callable[[StudyRun, int], None] = lambda run, number: None,
        on_left: Callable[[float, int], None] = lambda seconds, runs: None,
    ) -> list[tuple[StudyRun, str]]:
        """Train what is not finished, one run after the other (`train_cells` trains several at a time).

        A run that cannot go on is left where it is, and the others are run.

        Args:
            observer: called about every run.
            on_run: called with the number, from 0, of the run that is begun or continued.
            on_left: called after each run that has others after it, with the seconds that those will take and how many they are.

        Returns:
            Runs that failed, with the reason.

        Raises:
            ConfigError: a run of an earlier study by this name was made with other settings.
            RunInterruptedError: Ctrl-C; the same call goes on from there.
        """
        with importing_the_engine():
            from counterpoise.engines.local import train

        failed: list[tuple[StudyRun, str]] = []
        pace = TimeLeft()
        for number, run in enumerate(self.runs):
            directory = run_directory(run)
            if run.trained:
                continue
            done, began = run.steps_done, time.monotonic()
            on_run(run, number)
            try:
                train(directory, observer=observer)
            except TrainingError as error:
                failed.append((run, str(error)))
            else:
                pace.finished(run.bed, run.config, done=done, seconds=time.monotonic() - began)
            rest = [
                (later.bed, later.config, later.steps_done) for later in self.runs[number + 1 :] if not later.trained
            ]
            seconds = pace.left(rest)
            if rest and seconds is not None:
                on_left(seconds, len(rest))
        return failed

    def check_made(self) -> None:
        """Hold every run that was begun to what its arm is now, so that no table names a run what it is not.

        Raises:
            ConfigError: one was made with other settings.
        """
        for run in self.runs:
            if (run.config.path / "config.toml").is_file():
                made = RunDirectory.read(run.config.path).config
                _refuse_changed(run, made, _ELSEWHERE)

    def check(self) -> None:
        """Look up every name of the runs that are still to be trained, and read each task once; torch is not imported for it.

        Raises:
            ConfigError: a name, setting or file of an arm is none; the message names the arm.
        """
        todo = [run for run in self.runs if not run.trained]
        for run in todo:
            started = any(run.config.path.glob("checkpoints/step-*"))
            _of_arm(run, partial(check_names, run.config, started=started))
            _of_arm(run, partial(check_policy, run.config.model))
        read: dict[str, Problems] = {}
        for run in todo:  # behind every name, for reading takes longer than all of them
            sections = ("tasks", "prompt", "verification", "evaluation")
            of_task = str([getattr(run.config, section) for section in sections])
            if of_task not in read:
                read[of_task] = _of_arm(run, partial(problems_of, run.config))

    def measure(
        self,
        *,
        temperatures: Sequence[float] = (),
        on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> list[tuple[StudyRun, str]]:
        """Evaluate what is trained, and its base, under `measured`, and the base at `temperatures`; what is finished is not drawn again.

        Args:
            temperatures: of the base, everything else as the run has it.
            on_progress: called with (what, rollouts drawn, of all).
            say: called with every damage.

        Returns:
            Runs that could not be evaluated, with the reason.

        Raises:
            DataError, ConfigError: a task cannot be loaded.
        """
        from counterpoise.evaluation.statistics.arms import colder_base  # numpy
        from counterpoise.jobs.checkpoints import evaluate_checkpoints  # torch

        failed = []
        seen = set()
        for run in (run for run in self.runs if run.trained):
            wanted: list[tuple[str, Path, int, Sequence[str]]] = [
                (f"{_of_place(run)}{colder_base(t)}", run.base, 0, (_at(t),)) for t in temperatures
            ]
            if run.measured:
                wanted.append((f"{_of_place(run)}base", run.base, 0, run.measured))
                wanted.append((run.label, run.config.path, run.last_step, run.measured))
            for what, path, step, settings in wanted:
                if (path, step, settings) in seen:
                    continue
                seen.add((path, step, settings))
                (one,) = evaluate_checkpoints(
                    RunDirectory.read(path, settings),
                    [step],
                    on_progress=_about(what, on_progress),
                    say=say,
                )
                if one.error is not None:
                    failed.append((run, one.error))
        return failed


_ELSEWHERE = ("run.directory", "evaluation.before")
"""Where the runs are is not a setting of a run: a study may be looked at from another directory, or moved. Which run has the base's
evaluation follows from the order of the arms when it was begun, and says nothing about the run."""
_STEP = "step-"
_COLDER = "evaluation-t"
"""What the folder of evaluations at another temperature begins with (`runs.sampling`); the number and what else differs follow."""
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?")


def base_run(runs: Sequence[StudyRun]) -> StudyRun:
    """Of runs that share a base, the one that evaluates it: the first made to do so, else the first that is not made yet.

    So an arm or a seed may be put before those that were trained.

    Raises:
        ConfigError: all are made and none has it.
    """
    made = {id(run): (run.config.path / "config.toml").is_file() for run in runs}
    evaluates = (run for run in runs if made[id(run)] and RunDirectory.read(run.config.path).config.evaluation.before)
    found = next(evaluates, next((run for run in runs if not made[id(run)]), None))
    if found is None:
        raise ConfigError(
            f"none of the runs in {runs[0].config.path.parent} that the study has left holds the evaluation of their base, which was made "
            "with an arm or a seed that it no longer has; put that one back, or add one that is new"
        )
    return found


def run_directory(run: StudyRun) -> RunDirectory:
    """The run's directory, made or found.

    Raises:
        ConfigError: it holds a run with other settings.
    """
    path = run.config.path
    if not (path / "config.toml").is_file():
        return RunDirectory.create(run.config)
    directory = RunDirectory.open(path)
    _refuse_changed(run, directory.config, _ELSEWHERE)
    return directory


def _refuse_changed(run: StudyRun, made: RunConfig, left_out: Sequence[str]) -> None:
    changed = changed_settings(made, run.config, besides=left_out)
    if not made.guards.act and not run.config.guards.act:
        # Guards that only watch change nothing that is trained, so those of an earlier release are as good.
        changed = [change for change in changed if not change[0].startswith("guards.")]
    if changed:
        raise ConfigError(
            f"{run.config.path} was made with other settings ({told_changes(changed)}); to go on with it, {pinned(changed)}, else "
            "name the arm differently, or remove that run"
        )


def _about(what: str, on_progress: Callable[[str, int, int], None]) -> Callable[[int, int, int], None]:
    return lambda step, done, total: on_progress(what, done, total)


def _of_place(run: StudyRun) -> str:
    return f"{run.place}, " if run.place else ""


def _cold(temperature: float) -> Sequence[str]:
    return (_at(temperature),)


def _at(temperature: float) -> str:
    return f"evaluation.temperature={temperature:g}"


def _of_arm(run: StudyRun, check: Callable[[], _T]) -> _T:
    """What a check gives; its refusal names the arm.

    Raises:
        ConfigError: the check refused.
    """
    try:
        return check()
    except UsageError as error:
        where = f"{run.place}, " if run.place else ""
        raise ConfigError(f"{where}arm {run.arm}: {error}") from error


def _evaluated(path: Path, step: int, measured: Sequence[str]) -> EvaluationResult | None:
    directory = _store(path, step, measured)
    if directory is None:
        return None
    from counterpoise.evaluation.summary import EvaluationResult

    return EvaluationResult.load(directory)


def _store(path: Path, step: int, measured: Sequence[str]) -> Path | None:
    """Directory of a finished evaluation of the run."""
    if not (path / "config.toml").is_file():
        return None
    directory = RunDirectory.read(path, measured).evaluation(step)
    return directory if (directory / "passk.json").is_file() else None
